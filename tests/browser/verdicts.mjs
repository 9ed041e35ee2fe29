// Reviews that do not say pass: each must be understood from its picture alone.
import { check, inspect, open, same } from "./harness.mjs";

/** Makes a model and opens its review; what the API says of it comes with the page. */
async function judged({ api, go }, job) {
  const { id } = await api("/jobs", { ...job, start: true });
  let made;
  while (!(made = await api(`/jobs/${id}`)).finished_us) await new Promise((done) => setTimeout(done, 200));
  check(made.model, `no model came of it: ${JSON.stringify(made.error ?? made.state)}`);
  const page = await open("en-GB");
  await go(page, `/models/${made.model}`);
  await page.waitForSelector("#tau:not([disabled])");
  const verdict = await api(`/models/${made.model}/verdict`);
  return { page, verdict, title: await page.textContent(".banner-title") };
}

/** `default` wants a thousand groups a class, and the bundled photos have some sixty. */
export async function unproven(server) {
  const { page, verdict, title } = await judged(server, { baseline: "production", datasets: ["fu-ma"], policy: "default" });
  same(verdict.state, "unproven", "what so few photos prove");
  check(/^Not proven yet: .*8 old classes/.test(title), title);
  check(/Look \d+ of 10 /.test(await page.textContent(".banner .look")), "which look it is");
  // Photos are asked for where they would settle it, and only there.
  const open = verdict.checks.filter((one) => one.verdict === "unproven");
  const settled = open.every((one) => one.groups_needed !== null || (one.id === "recall_change" && -one.value <= one.limit));
  const asked = page.locator('.banner a[href$="?proof=1"]');
  same(await asked.count(), settled ? 1 : 0, "photos that are asked for");
  await inspect(page, "review-unproven");
  await page.close();
}

/** Half of the photos of fu under another name: nothing can tell the two apart. */
export async function failing(server) {
  const { api } = server;
  const { latest } = await api("/datasets/lucky");
  const fu = (await api(`/dataset-versions/${latest.id}/rows`)).filter((row) => row.class === "fu");
  const items = fu.filter((_, idx) => idx % 2 === 0).map(({ image }) => ({ image, class: "fu-x" }));
  await api("/datasets", { name: "fu-x" });
  await api("/datasets/fu-x/versions", { items });
  // The draft says so before a second is spent on training.
  const draft = await api("/jobs", { baseline: "production", datasets: ["fu-x"], policy: "pilot" });
  const [collision] = (await api(`/jobs/${draft.id}/preview`)).collisions;
  same([collision.class, collision.state, collision.look_alikes[0].class], ["fu-x", "collides", "fu"], "what the draft says");
  const { page, verdict, title } = await judged(server, { baseline: "production", datasets: ["fu-x"], policy: "pilot" });
  same(verdict.state, "fail", "one class under two names");
  check(/^Do not publish: .*fu/.test(title), title);
  same(await page.locator('.banner a[href*="/datasets"]').count(), 0, "no photo would clear it");
  same(await page.locator("main .flag", { hasText: "fu → fu-x" }).count(), 1, "what was given another name");
  const row = await page.textContent("#classes tbody tr:first-child");
  check(row.startsWith("fu-x") && row.includes("≤ "), `the bound that shows it: ${row}`);
  await inspect(page, "review-fail");
  await page.close();
}
