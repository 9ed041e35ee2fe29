// The operator's story by mouse and by keyboard, in both languages, against a real server with a live baseline.
import { join } from "node:path";
import { WIDTHS, check, end, hydrated, inspect, keepSession, open, same, steady, test, url } from "./harness.mjs";
import { failing, unproven } from "./verdicts.mjs";

const photos = process.env.REHEAD_PHOTOS;
const TAUS = ["0.500", "0.720", "0.900", "0.950", "0.999"];

const PASSWORD = "four words of no sense";

let token;

const api = async (path, body) => {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const method = body ? "POST" : "GET";
  const response = await fetch(`${url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  check(response.ok, `${method} ${path}: ${response.status}`);
  return response.json();
};
const percent = (share) => (share * 100).toFixed(1).replace(/\.0$/, "");
const idOf = (page) => page.url().split("/").pop().split("?")[0];

async function go(page, path) {
  await page.goto(url + path);
  await hydrated(page);
}

/** In the page: `n` pictures that no server has seen, as base64 of PNG files. */
function drawn(n) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 96;
  const context = canvas.getContext("2d");
  return Array.from({ length: n }, (_, idx) => {
    for (let y = 0; y < 96; y += 8) {
      for (let x = 0; x < 96; x += 8) {
        context.fillStyle = `hsl(${(x * (idx + 3) * 7 + y * (idx + 5) * 11) % 360} 70% ${30 + ((x + y + idx * 8) % 40)}%)`;
        context.fillRect(x, y, 8, 8);
      }
    }
    return canvas.toDataURL("image/png").split(",")[1];
  });
}

/** The first model of an empty server: photos dropped, trained, published. */
async function first(page) {
  await go(page, "/");
  await inspect(page, "home-empty");
  await page.fill(".open-request input", "Eight characters for the campaign");
  await page.click(".open-request button");
  await page.waitForSelector("#requests .time-left");
  for (const [name, path] of Object.entries({ datasets: "/datasets", jobs: "/jobs", models: "/models", releases: "/releases" })) {
    await go(page, path);
    await inspect(page, `${name}-empty`);
  }
  await go(page, "/datasets");
  await page.fill("#upload input[type=text]", "lucky");
  await page.setInputFiles("#upload-files", join(photos, "baseline.zip"));
  await page.waitForSelector("#upload tbody tr");
  await page.click("#upload .form-actions .primary");
  // Whoever looks at other pages meanwhile stops nothing.
  await page.click('nav a[href="/jobs"]');
  await page.waitForURL("**/jobs");
  await page.click('nav a[href="/datasets"]');
  await page.waitForURL("**/datasets/lucky");
  const n = (await api("/datasets/lucky")).latest.n_images;
  check(n > 1900, `photos of the first dataset: ${n}`);

  same(await page.textContent(".page-actions option >> nth=0"), "Eight characters for the campaign", "whom it answers");
  await page.click(".page-actions .primary");
  await page.waitForURL("**/jobs/*");
  const patched = page.waitForResponse((response) => response.request().method() === "PATCH");
  await page.click("#draft .chip >> text=none");
  check((await patched).ok(), "none means none of these");
  await page.waitForSelector('#draft .chip[aria-pressed="true"]');
  await inspect(page, "draft-first");
  await page.click(".page-actions .primary");
  await page.click('.page-actions a[href^="/models/"]');
  await page.waitForURL("**/models/*");
  const model = idOf(page);
  await hydrated(page);
  await page.waitForSelector("#tau:not([disabled])");
  await inspect(page, "review-first");
  await page.click(".banner .primary");
  await page.fill("#publish textarea", "the first eight");
  await page.click("#publish .primary");
  await page.waitForSelector(".banner .tag.pass");
  const live = (await api("/channels/production")).current;
  same([live.model, live.note], [model, "the first eight"], "what is live first");
  const [request] = await api("/requests");
  same([request.jobs.length, request.releases.length], [1, 1], "what answered the request");
}

/** From the front page to a published model and back. */
async function story(page, name, archive) {
  await go(page, "/");
  await page.click('main a.primary[href="/datasets"]');
  await page.waitForURL("**/datasets");
  await page.fill("#upload input[type=text]", name);
  await page.setInputFiles("#upload-files", join(photos, archive));
  await page.waitForSelector("#upload tbody tr");
  same(await page.inputValue("#upload tbody tr input[type=text]"), name, "the folder's name is the class");
  await page.click("#upload .form-actions .primary");
  await page.waitForURL(`**/datasets/${name}`);
  const dataset = await api(`/datasets/${name}`);
  same(dataset.latest.n_images, 130, "photos of the dataset");
  await hydrated(page);
  await inspect(page, `dataset-${name}`);

  await page.click(".page-actions .primary");
  await page.waitForURL("**/jobs/*");
  const job = idOf(page);
  same((await api(`/jobs/${job}`)).state, "draft", "a clone is a draft until it is started");
  const patched = page.waitForResponse((response) => response.request().method() === "PATCH");
  await page.selectOption("#draft select >> nth=0", "pilot");
  check((await patched).ok(), "the policy is saved");
  await page.waitForSelector("#prove .flag", { state: "detached" });
  await inspect(page, `draft-${name}`);

  await page.click(".page-actions .primary");
  // A reload in the middle loses nothing: the log is told again.
  await page.waitForSelector("#log li");
  await page.reload();
  await hydrated(page);
  await page.waitForSelector('.page-actions a[href^="/models/"]');
  check((await page.locator("#log li").count()) >= 10, "every stage is in the log");
  await inspect(page, `job-${name}`);

  await page.click('.page-actions a[href^="/models/"]');
  await page.waitForURL("**/models/*");
  const model = idOf(page);
  await hydrated(page);
  await page.waitForSelector("#tau:not([disabled])");
  await inspect(page, `review-${name}`);
  await slider(page, model);
  await cell(page, model);

  const before = await api("/channels/production");
  await page.click(".banner .primary");
  await page.fill("#publish textarea", `adds ${name}`);
  // A reload in the middle of a review: the threshold and the note are as they were left.
  await drag(page, TAUS[0]);
  await page.reload();
  await hydrated(page);
  await page.waitForFunction((tau) => document.querySelector("#tau + output").textContent === tau, TAUS[0]);
  same(await page.inputValue("#publish textarea"), `adds ${name}`, "the note after a reload");
  await page.click(".slider .button");
  await page.click("#publish .primary");
  await page.waitForSelector(".banner .tag.pass");
  const after = await api("/channels/production");
  same(after.current.model, model, "what is live");
  same(after.current.note, `adds ${name}`, "its note");

  await go(page, "/releases");
  await inspect(page, `releases-${name}`);
  const production = page.locator("#channels li", { hasText: "production" });
  await production.locator("button").first().click();
  await production.locator("form .primary").click();
  await page.waitForFunction((n) => document.querySelectorAll("#release-log tbody tr").length > n, after.current.number);
  same((await api("/channels/production")).current.model, before.current.model, "what is live after the undo");
}

const signed = (change) => {
  const text = percent(Math.abs(change));
  return text === "0" ? text : `${change < 0 ? "−" : "+"}${text}`;
};

/** At each threshold of all classes the page shows what the API's report at that threshold says, and judges nothing anew. */
async function slider(page, model) {
  const verdict = await page.textContent(".banner-title");
  await page.click("#curves .chip:last-of-type");
  for (const tau of TAUS) {
    await drag(page, tau);
    same(await page.textContent(".banner-title"), verdict, `the verdict at ${tau}`);
    check(await page.isDisabled(".banner .primary"), `nothing is published from ${tau}`);
    check((await page.textContent(".what-if")).includes(`τ = ${tau}`), `what if ${tau}`);
    const report = await api(`/models/${model}/report?tau=${tau}`);
    const expected = Object.fromEntries(
      report.candidate.per_class.map((metrics) => {
        const before = report.baseline.per_class.find((other) => other.class === metrics.class);
        const loss = report.comparison.old_classes.find((old) => old.class === metrics.class);
        const figures = [
          `${metrics.n}`,
          before ? percent(before.recall) : "–",
          percent(metrics.recall),
          before ? signed((metrics.true_accepts - before.true_accepts) / metrics.n) : "–",
          loss ? `${loss.images.x}` : "–",
        ];
        return [metrics.class, figures];
      }),
    );
    const shown = Object.fromEntries(
      await page.$$eval("#classes tbody tr", (rows) =>
        rows.map((row) => [
          row.querySelector("th b").textContent,
          [...row.querySelectorAll("td.n")].map((cell) => cell.textContent),
        ]),
      ),
    );
    same(Object.keys(shown).sort(), Object.keys(expected).sort(), `classes at ${tau}`);
    for (const name of Object.keys(expected)) same(shown[name], expected[name], `${name} at ${tau}`);
    const matrix = await page.$$eval("#confusion tbody tr", (rows) =>
      rows.map((row) => [...row.querySelectorAll("td")].map((cell) => Number(cell.textContent.replace("·", "0")))),
    );
    same(matrix, report.candidate.confusion, `confusion at ${tau}`);
    const lost = report.comparison.old_classes.reduce((sum, old) => sum + old.images.x, 0);
    const figure = await page.textContent(".figures div:nth-child(2) dd");
    same(figure.replace(/\D+/g, " ").trim(), `${lost} ${report.comparison.n_right}`, `lost at ${tau}`);
  }
  await page.click(".what-if .button");
  await page.waitForSelector(".what-if", { state: "detached" });
  check(await page.isEnabled(".banner .primary"), "what is judged can be published");
}

async function drag(page, tau) {
  await page.$eval(
    "#tau",
    (input, value) => {
      input.value = value;
      input.dispatchEvent(new Event("input", { bubbles: true }));
    },
    tau,
  );
  await page.waitForFunction((tau) => document.querySelector("#tau + output").textContent === tau, tau);
}

/** A cell of the confusion matrix opens as many photos as it counts. */
async function cell(page, model) {
  const report = await api(`/models/${model}/report`);
  const row = report.candidate.confusion.findIndex((counts) => counts.at(-1) > 0);
  const count = report.candidate.confusion[row].at(-1);
  await page.click(`#confusion tbody tr:nth-child(${row + 1}) td:last-child button`);
  await page.waitForSelector("#confusion .photos img");
  same(await page.locator("#confusion .photos li").count(), Math.min(count, 60), "photos of the cell");
  await page.click(`#confusion tbody tr:nth-child(${row + 1}) td:last-child button`);
}

await test("a one-time link sets a password and signs in", async () => {
  const page = await open("en-GB");
  await page.goto(process.env.REHEAD_LINK);
  await hydrated(page);
  await page.fill("#name", "demo");
  await inspect(page, "setup");
  // What the console says of an answer that refuses is no fault of the page.
  page.refusals = true;
  await page.fill("#new-password", "short");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#form-failure p:not([hidden])");
  await inspect(page, "setup-refused");
  await page.fill("#new-password", PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".account-name >> text=demo");
  same(new URL(page.url()).pathname, "/", "one is let in");
  await keepSession(page);
  token = await page.evaluate(async () => {
    const headers = { "content-type": "application/json" };
    const made = await fetch("/api/v1/tokens", { method: "POST", headers, body: JSON.stringify({ name: "the story" }) });
    return (await made.json()).secret;
  });
  await page.goto(process.env.REHEAD_LINK);
  await page.waitForSelector("h1 >> text=no longer good");
});

await test("a first model from an empty server", async () => {
  const page = await open("en-GB");
  await first(page);
  await page.close();
});

await test("the story in English, wide", async () => {
  await story(await open("en-GB"), "fu-ma", "fu-ma.zip");
});

await test("the story in Chinese, on a phone", async () => {
  const page = await open("zh-CN", WIDTHS.narrow);
  await story(page, "fu-merchant", "fu-merchant.zip");
  same(await page.getAttribute("html", "lang"), "zh", "the language of the page");
  await page.close();
});

await test("a threshold of the new class alone stays what it is until the slider moves", async () => {
  const { id } = await api("/jobs", { baseline: "production", datasets: ["fu-ma"], policy: "pilot", tau: 0.97, start: true });
  let job;
  while (!(job = await api(`/jobs/${id}`)).finished_us) await new Promise((done) => setTimeout(done, 200));
  const report = await api(`/models/${job.model}/report`);
  same([...new Set(report.classes.map((one) => one.tau))], [0.9, 0.97], "thresholds of the model");
  const page = await open("en-GB");
  await go(page, `/models/${job.model}`);
  await page.waitForSelector("#tau:not([disabled])");
  const row = page.locator("#classes tbody tr", { hasText: "fu-ma" });
  const recall = report.candidate.per_class.find((one) => one.class === "fu-ma").recall;
  same(await page.textContent("#tau + output"), "0.970", "the slider stands where the shown class does");
  same(await row.locator("td.n >> nth=2").textContent(), percent(recall), "recall at the model's own thresholds");
  await slider(page, job.model);
  same(await row.locator("td.n >> nth=2").textContent(), percent(recall), "recall after going back to them");
  // A class alone: the others stay, and the address says so.
  const of = report.classes.findIndex((one) => one.name === "fu-ma");
  await page.click(`#curves .chip >> nth=${of}`);
  await drag(page, "0.500");
  same(new URL(page.url()).search, `?tau=${",".repeat(of)}0.500`, "the address of one class's threshold");
  const before = report.baseline.per_class[0].recall;
  same(await page.textContent(`#classes tbody tr:has(b:text-is("${report.classes[0].name}")) td.n >> nth=1`), percent(before), "an old class");
  await page.click(".slider .button");
  same(new URL(page.url()).search, "", "no threshold in the address");
  await page.close();
});

await test("a review by hand: order, shares, a photo over the page, the dial turned, what one takes away", async () => {
  const { id } = (await api("/models")).find((model) => model.new_classes.includes("fu-ma"));
  const report = await api(`/models/${id}/report`);
  const page = await open("en-GB");
  await go(page, `/models/${id}`);
  await page.waitForSelector("#tau:not([disabled])");
  await page.click("#classes .sort >> nth=0");
  const names = await page.$$eval("#classes tbody th b", (all) => all.map((one) => one.textContent));
  same(names, [...names].sort(), "classes by name");
  same(await page.getAttribute("#classes th[aria-sort]", "aria-sort"), "ascending", "which way they are sorted");
  await page.click("#classes .sort >> nth=0");
  const back = await page.$$eval("#classes tbody th b", (all) => all.map((one) => one.textContent));
  same(back, [...names].reverse(), "and the other way round");

  await page.click("#confusion input[type=checkbox]");
  const [first] = report.candidate.confusion;
  const share = Math.round((100 * first[0]) / first.reduce((sum, n) => sum + n, 0));
  same(await page.textContent("#confusion tbody tr >> nth=0 >> td >> nth=0"), `${share}`, "percent of a row");
  await page.click("#confusion input[type=checkbox]");
  await page.click("#confusion tbody tr >> nth=0 >> td >> nth=0 >> button");
  await page.click("#confusion .photos a >> nth=0");
  await page.waitForSelector("dialog[open] img");
  same(await page.locator("dialog[open] .answers dd").count(), 2, "both models' answers");
  const shown = await page.getAttribute("dialog[open] img", "src");
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction((src) => document.querySelector("dialog[open] img").getAttribute("src") !== src, shown);
  await inspect(page, "review-photo");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog[open]", { state: "detached" });

  const dial = await api(`/models/${id}/dial`);
  await page.waitForSelector("#offset");
  const place = dial.places[5];
  await page.$eval("#offset", (input) => {
    input.value = "5";
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  const lost = place.old.reduce((sum, count) => sum + count.x, 0);
  await page.waitForFunction((text) => document.querySelector("#offset-says").textContent.startsWith(text), `${lost} of `);
  await page.waitForSelector("#reliability svg");
  await inspect(page, "review-dial");
  await page.click("#dial .slider .button");
  await page.waitForURL((url) => url.pathname.startsWith("/models/") && !url.pathname.endsWith(id));
  const turned = new URL(page.url()).pathname.split("/").at(-1);
  const made = (await api(`/models/${turned}/report`)).training;
  same(made.dial.offset, place.offset, "where the new model's dial stands");
  check(made.turned_from, "it says whose rows these are");

  for (const [file, start] of Object.entries({ "review.html": "<!doctype html>", "classes.csv": "class,role", report: "{" })) {
    const text = await page.evaluate(async (path) => (await fetch(path)).text(), `/api/v1/models/${id}/${file}`);
    check(text.startsWith(start), `${file} begins with ${text.slice(0, 40)}`);
    check(file !== "review.html" || !/(src|href)="(?!data:)/.test(text), "the page needs nothing else");
  }
  await page.close();
});

await test("the review of an unproven model says what is open", () => unproven({ api, go }));

await test("the review of a failing model says what is wrong", () => failing({ api, go }));

await test("a draft says what stands in its way before it starts", async () => {
  const { id } = await api("/jobs", { baseline: "production", datasets: ["fu-ma"], deadline_s: 1 });
  const page = await open("en-GB");
  await go(page, `/jobs/${id}`);
  const preview = await api(`/jobs/${id}/preview`);
  same(preview.collisions.map((one) => one.class), ["fu-ma"], "what is to be learned");
  const told = await page.textContent("#look-alikes .sentence");
  check(told.endsWith(preview.collisions[0].sentence), `what it looks like: ${told}`);
  same(await page.locator("#prove tbody tr").count(), preview.certificates.length, "what can be proven");
  check((await page.textContent("#forecast")).includes("deadline of 1.0 s"), "how long it takes");
  await inspect(page, "draft-before");
  await page.close();
});

await test("a policy of the project's own is written on its page, and a draft can choose it", async () => {
  const page = await open("en-GB");
  await go(page, "/policies");
  await inspect(page, "policies");
  same(await page.locator("main section.panel").count(), 3, "the shipped ones");
  const pilot = page.locator("section.panel", { hasText: "pilot" });
  await pilot.locator(".split .button").click();
  const form = page.locator("form");
  await form.locator("input[required]").fill("strict");
  const limit = form.locator(".limit", { hasText: "old_class_loss" }).locator("input[type=text]");
  await limit.fill("none");
  check(await form.locator(".primary").isDisabled(), "a limit that is no number cannot be saved");
  same(await limit.getAttribute("aria-invalid"), "true", "the field says so");
  await limit.fill("5");
  await form.locator(".limits >> nth=1").locator("> .button").click();
  await form.locator(".exception input >> nth=0").fill("fu");
  await form.locator(".exception input >> nth=1").fill("2.5");
  await inspect(page, "policies-form");
  await form.locator(".primary").click();
  const own = page.locator("section.panel", { hasText: "strict" });
  await own.waitFor();
  check((await own.textContent()).includes("fu ≤ 2.5 %"), "the class with a limit of its own");
  const saved = async () => (await api("/policies")).find((policy) => policy.name === "strict");
  const loss = (await saved()).checks.find((one) => one.id === "old_class_loss");
  same([loss.limit, loss.per_class], [0.05, { fu: 0.025 }], "what was saved");
  await own.locator(".split .button").click();
  await page.locator("form .limit", { hasText: "calibration" }).locator("input[type=checkbox]").uncheck();
  await page.click("form .primary");
  await page.waitForSelector("section.panel >> text=version 2");
  check(!(await saved()).checks.some((one) => one.id === "calibration"), "the check is left out");
  const { id } = await api("/jobs", { baseline: "production", datasets: ["fu-ma"] });
  await go(page, `/jobs/${id}`);
  const patched = page.waitForResponse((response) => response.request().method() === "PATCH");
  await page.selectOption("#draft select >> nth=0", "strict");
  check((await patched).ok(), "the draft takes it");
  const { policy } = (await api(`/jobs/${id}`)).spec;
  same([policy.name, policy.version], ["strict", 2], "the policy of the draft");
  await page.close();
});

await test("every list and the comparison, in both languages", async () => {
  const models = (await api("/models")).map((model) => model.id);
  for (const locale of ["en-GB", "zh-CN"]) {
    const page = await open(locale);
    const pages = { home: "/", policies: "/policies", datasets: "/datasets", jobs: "/jobs", models: "/models", compare: `/compare?models=${models.slice(0, 3)}` };
    for (const [name, path] of Object.entries(pages)) {
      await go(page, path);
      await inspect(page, `${name}-${locale.slice(0, 2)}`);
    }
    await page.close();
  }
});

await test("no page moves under the reader", async () => {
  const models = await api("/models");
  const [job, dataset] = [(await api("/jobs"))[0].id, (await api("/datasets"))[0].name];
  const ids = models.map((model) => model.id);
  const lists = ["/", "/datasets", "/jobs", "/models", "/releases", "/policies", `/compare?models=${ids.slice(0, 3)}`];
  const paths = [...lists, `/datasets/${dataset}`, `/jobs/${job}`, ...ids.map((id) => `/models/${id}`)];
  for (const viewport of Object.values(WIDTHS)) {
    const page = await open("en-GB", viewport);
    for (const path of paths) {
      await go(page, path);
      await steady(page, `${path} at ${viewport.width} px`);
    }
    await page.close();
  }
});

await test("every piece in every state, by day and by night", async () => {
  const page = await open("en-GB");
  for (const scheme of ["light", "dark"]) {
    await page.goto(`${url}/design?scheme=${scheme}`);
    await inspect(page, `design-${scheme}`);
  }
  await page.close();
});

await test("what is missing says so", async () => {
  const page = await open("en-GB");
  await page.goto(`${url}/models/no-such-model`);
  await page.waitForSelector("[role=alert]");
  check((await page.textContent("[role=alert]")).includes("no-such-model"), "the error names what is missing");
  await page.goto(`${url}/nowhere`);
  check((await page.textContent("h1")).length > 0, "a page for an unknown address");
});

await test("an upload that a reload cuts off goes on where it was", async () => {
  const page = await open("en-GB");
  const [name, total, arrive] = ["cut-off", 12, 4];
  await go(page, "/datasets");
  const files = (await page.evaluate(drawn, total)).map((png, idx) => ({
    name: `${idx}.png`,
    mimeType: "image/png",
    buffer: Buffer.from(png, "base64"),
  }));
  const begin = async () => {
    await go(page, "/datasets");
    await page.fill("#upload label input[type=text]", name);
    await page.setInputFiles("#upload-files", files);
    await page.fill("#upload tbody input[type=text]", name);
    await page.click("#upload .form-actions .primary");
  };
  // The line breaks in the middle: some photos arrive, the others hang for good.
  let begun = 0;
  await page.route("**/api/v1/images/*", (route) => {
    if (route.request().method() !== "PUT") return route.continue();
    begun += 1;
    return begun <= arrive ? route.continue() : undefined;
  });
  await begin();
  await page.waitForFunction((n) => document.querySelector("#upload-progress")?.value === n, arrive);
  // Leaving the page cuts off what hangs.
  await page.reload();
  await page.unrouteAll({ behavior: "ignoreErrors" });
  let sent = 0;
  page.on("request", (request) => {
    sent += request.method() === "PUT";
  });
  await begin();
  await page.waitForURL(`**/datasets/${name}`);
  same((await api(`/datasets/${name}`)).latest.n_images, total, "photos of the dataset");
  same(sent, total - arrive, "only what had not arrived is sent");
});

await test("two tabs see the same: what one publishes the other shows without a reload", async () => {
  const [first, second] = [await open("en-GB"), await open("en-GB")];
  const live = (await api("/channels/production")).current.model;
  const other = (await api("/models")).find((model) => model.id !== live && model.verdict.state === "pass").id;
  await go(second, "/");
  check((await second.textContent("#live")).includes(live.slice(-8)), "what is live");
  await go(first, `/models/${other}`);
  await first.click(".banner .primary");
  await first.fill("#publish textarea >> nth=0", "from the first tab");
  await first.click("#publish .primary");
  await first.waitForSelector(".banner .tag.pass");
  same((await api("/channels/production")).current.model, other, "what is live after it");
  await second.waitForFunction((id) => document.querySelector("#live").textContent.includes(id), other.slice(-8));
});

await test("the keyboard reaches the content and the switch of languages", async () => {
  const page = await open("en-GB");
  await go(page, "/");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  same(await page.evaluate(() => document.activeElement.id), "content", "the skip link moves the focus");
  await page.focus('button[lang="zh"]');
  await page.keyboard.press("Space");
  await page.waitForFunction(() => document.documentElement.lang === "zh");
  await page.reload();
  same(await page.getAttribute("html", "lang"), "zh", "the choice is kept");
});

await test("signing out, and in again to where one was going", async () => {
  const page = await open("zh-CN");
  await go(page, "/");
  await page.click(".account button");
  await page.waitForURL("**/sign-in");
  await page.goto(`${url}/models?from=afar`);
  same(new URL(page.url()).pathname, "/sign-in", "nobody is asked who it is");
  await hydrated(page);
  await inspect(page, "sign-in");
  page.refusals = true;
  await page.fill("#name", "Demo");
  await page.fill("#password", "not the password");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#form-failure >> text=no account");
  await inspect(page, "sign-in-refused");
  await page.fill("#password", PASSWORD);
  await page.click(".entry .primary");
  await page.waitForURL("**/models?from=afar");
  await page.waitForSelector(".account-name >> text=demo");
});

await end();
