//! Accounts, sessions and tokens: how they begin, what they may, and that they end.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use color_eyre::eyre::{Result, ensure, eyre};
use domain::api::people::{IssuedToken, Me, Token};
use domain::ids::{Digest, TokenId};
use domain::job::Job;
use domain::names::UserName;
use domain::overrides::{Outlook, Override};
use domain::people::Role;
use domain::release::Release;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::{Application, Clock, Config};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;

use super::Done;
use crate::binary::{self, Said};
use crate::rest::{self, Rest};
use crate::world::{Database, PASSWORD, World};

const S: i64 = 1_000_000;
const HOUR: i64 = 3600 * S;

pub(super) async fn own_override(world: Arc<World>) -> Result<Done> {
    let story = world.story().await?;
    let model = story
        .clone
        .job
        .model
        .as_ref()
        .ok_or_else(|| eyre!("the story made a clone"))?;
    let body = json!({ "model": model, "override_reason": "two eyes see enough" });
    let publish = |rest: &Rest| rest.request(Method::POST, "/channels/four-eyes/releases").json(&body);

    let ann = &story.node.rest;
    let job: Job = ann.get(&format!("/jobs/{}", story.clone.job.id)).await?;
    ensure!(job.created_by.as_ref().map(UserName::as_str) == Some("ann"), "{job:?}");
    let problem = ann.refused(publish(ann), 403).await?;
    ensure!(
        problem.kind == "/problems/own-override" && problem.detail.contains("ann"),
        "{problem:?}"
    );
    let reviewer = story.node.as_person("rita", Some(Role::Reviewer)).await?;
    let problem = reviewer.refused(publish(&reviewer), 403).await?;
    ensure!(
        problem.kind == "/problems/forbidden",
        "a reviewer does not publish: {problem:?}"
    );

    let bob = &story.node.other;
    let release: Release = bob.post("/channels/four-eyes/releases", &body).await?;
    ensure!(release.by.as_ref().map(UserName::as_str) == Some("bob"), "{release:?}");
    let log: Vec<Release> = ann.get("/releases?channel=four-eyes").await?;
    ensure!(log == [release], "the log names who it was: {log:?}");
    Ok(Done::Passed)
}

/// A reviewer's word lets out what a publisher then publishes; never one's own, whoever turned the dial since.
pub(super) async fn overrides(world: Arc<World>) -> Result<Done> {
    let story = world.story().await?;
    let node = &story.node;
    let reviewer = node.as_person("rita", Some(Role::Reviewer)).await?;
    let starter = node.as_person("pia", Some(Role::Publisher)).await?;
    let baseline = story
        .baseline
        .job
        .model
        .as_ref()
        .ok_or_else(|| eyre!("the story made a baseline"))?;

    // Who starts a job does not override it, nor what somebody else makes of it.
    let body = json!({ "baseline": baseline, "datasets": ["fu-ma"], "policy": "pilot", "seed": 7, "start": true });
    let (made, _) = starter.run_job(&body).await?;
    let first = made.job.model.ok_or_else(|| eyre!("the job made no model"))?;
    let another = async |path: &str, body: &Value| -> Result<String> {
        let job: Job = node.rest.post(path, body).await?;
        node.rest.events(&job.id.0, None).await?;
        let job: Job = node.rest.get(&format!("/jobs/{}", job.id)).await?;
        Ok(job.model.ok_or_else(|| eyre!("the job made no model"))?.0)
    };
    let turned = another(&format!("/models/{first}/dial"), &json!({ "offset": 0.3 })).await?;
    let refitted = another(&format!("/models/{turned}/refit"), &json!({})).await?;
    let word = json!({ "reason": "seen photo by photo" });
    let give = |rest: &Rest, model: &str| {
        rest.request(Method::POST, &format!("/models/{model}/override"))
            .json(&word)
    };
    for model in [&first.0, &turned, &refitted] {
        let problem = starter.refused(give(&starter, model), 403).await?;
        ensure!(problem.kind == "/problems/own-override", "{model}: {problem:?}");
        let outlook: Outlook = starter.get(&format!("/models/{model}/overrides")).await?;
        ensure!(
            outlook.is_own_job && outlook.may_publish && outlook.overrides.is_empty(),
            "{outlook:?}"
        );
    }

    // Without a word nothing moves; with one, also who started the job may publish.
    let release = json!({ "model": first, "note": "on rita's word" });
    let publish = |rest: &Rest| {
        rest.request(Method::POST, "/channels/on-a-word/releases")
            .json(&release)
    };
    starter.refused(publish(&starter), 422).await?;
    let given: Override = reviewer.post(&format!("/models/{first}/override"), &word).await?;
    ensure!(given.by.as_str() == "rita" && !given.grounds.is_empty(), "{given:?}");
    let problem = reviewer.refused(publish(&reviewer), 403).await?;
    ensure!(problem.kind == "/problems/forbidden", "{problem:?}");
    let outlook: Outlook = reviewer.get(&format!("/models/{first}/overrides")).await?;
    ensure!(
        outlook.overrides == [given] && outlook.elsewhere.is_empty() && !outlook.may_publish && !outlook.is_own_job,
        "{outlook:?}"
    );
    let released: Release = starter.post("/channels/on-a-word/releases", &release).await?;
    ensure!(
        released.override_by.as_ref().map(UserName::as_str) == Some("rita")
            && released.override_reason.as_deref() == Some("seen photo by photo")
            && released.by.as_ref().map(UserName::as_str) == Some("pia"),
        "{released:?}"
    );
    let log: Vec<Release> = reviewer.get("/releases?channel=on-a-word").await?;
    ensure!(log == [released], "the log keeps whose word it was: {log:?}");
    Ok(Done::Passed)
}

/// A server without any account, and its clock.
struct Fresh {
    nobody: Rest,
    now_us: Arc<AtomicI64>,
    /// Where the first account is made.
    first: String,
    _stop: oneshot::Sender<()>,
}

impl Fresh {
    async fn new(world: &World, database: Database) -> Result<Self> {
        let (data, name) = world.folder()?;
        let mut config = Config::local(data);
        config.storage.database_url = world.database(database, &name).await?;
        config.workers = 0;
        let now_us = Arc::new(AtomicI64::new(1_700_000_000 * S));
        let clock = Arc::clone(&now_us);
        let application =
            Application::build_with_clock(config, Clock::new(move || clock.load(Ordering::Relaxed))).await?;
        let nobody = Rest::new(format!("http://{}", application.address()))?;
        let first = application.first_start().await?;
        let first = first.ok_or_else(|| eyre!("an empty server offers the first account"))?;
        ensure!(first.starts_with(&format!("{}/setup?key=", nobody.server)), "{first}");
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(application.run(async {
            let _ = stopped.await;
        }));
        Ok(Self {
            nobody,
            now_us,
            first,
            _stop: stop,
        })
    }

    fn pass(&self, us: i64) {
        self.now_us.fetch_add(us, Ordering::Relaxed);
    }

    fn post(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.nobody.request(Method::POST, path).json(body)
    }

    /// Makes the first account; its session.
    async fn make_first(&self, name: &str) -> Result<String> {
        let key = self.first.rsplit('=').next().unwrap_or_default();
        let body = json!({ "key": key, "name": name, "password": PASSWORD });
        rest::cookie(&self.post("/setup", &body).send().await?)
    }

    async fn me(&self, cookie: &str) -> Result<StatusCode> {
        let asked = self.nobody.request(Method::GET, "/me").header("cookie", cookie);
        Ok(asked.send().await?.status())
    }
}

pub(super) async fn on_sqlite(world: Arc<World>) -> Result<Done> {
    sessions(&Fresh::new(&world, Database::Sqlite).await?).await?;
    Ok(Done::Passed)
}

pub(super) async fn on_postgres(world: Arc<World>) -> Result<Done> {
    if let Some(reason) = world.no_postgres().await {
        return Ok(Done::Skipped(reason));
    }
    sessions(&Fresh::new(&world, Database::Postgres).await?).await?;
    Ok(Done::Passed)
}

async fn sessions(fresh: &Fresh) -> Result<()> {
    let key = fresh.first.rsplit('=').next().unwrap_or_default().to_owned();
    let link: Value = fresh.nobody.get(&format!("/setup?key={key}")).await?;
    ensure!(link["name"].is_null(), "{link}");
    for weak in ["short", "Administrator"] {
        let body = json!({ "key": key, "name": "administrator", "password": weak });
        fresh.nobody.refused(fresh.post("/setup", &body), 422).await?;
    }
    let cookie = fresh.make_first("Ann").await?;
    let again = json!({ "key": key, "name": "mallory", "password": PASSWORD });
    let problem = fresh.nobody.refused(fresh.post("/setup", &again), 410).await?;
    ensure!(problem.detail.contains("rehead admin"), "{problem:?}");
    let asked = fresh.nobody.request(Method::GET, &format!("/setup?key={key}"));
    fresh.nobody.refused(asked, 410).await?;

    let me = fresh.nobody.request(Method::GET, "/me").header("cookie", &cookie);
    let me: Me = me.send().await?.json().await?;
    ensure!(me.name.as_str() == "Ann" && me.global_admin, "{me:?}");
    let page = fresh
        .nobody
        .page(Method::GET, "/")
        .header("cookie", &cookie)
        .send()
        .await?;
    let policy = page.headers().get("content-security-policy").cloned();
    let policy = policy
        .and_then(|policy| Some(policy.to_str().ok()?.to_owned()))
        .unwrap_or_default();
    let nonce = policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next());
    // The library of languages leaves an empty one behind, which runs nothing.
    let html = page.text().await?.replace("<script></script>", "");
    ensure!(html.contains("Ann"), "the page shows who is signed in");
    ensure!(
        nonce.is_some_and(|nonce| nonce.len() >= 16 && html.contains(&format!("nonce=\"{nonce}\""))),
        "{policy}"
    );
    let scripts = html.matches("<script").count();
    let with_nonce = nonce.map(|nonce| html.matches(&format!("nonce=\"{nonce}\"")).count());
    ensure!(
        with_nonce >= Some(scripts),
        "{scripts} scripts, with the nonce {with_nonce:?}"
    );

    // Signing in, whatever the case of the letters: a session under another id.
    let body = json!({ "name": "ANN", "password": PASSWORD });
    let origin = &fresh.nobody.server;
    let answer = fresh
        .post("/session", &body)
        .header("cookie", &cookie)
        .header("origin", origin);
    let second = rest::cookie(&answer.send().await?)?;
    ensure!(second != cookie, "an id that somebody may have planted is not kept");
    ensure!(fresh.me(&second).await? == 200 && fresh.me(&cookie).await? == 401);

    // Signing out is a change like any other.
    let out = || {
        fresh
            .nobody
            .request(Method::DELETE, "/session")
            .header("cookie", &second)
    };
    fresh.nobody.refused(out(), 403).await?;
    fresh
        .nobody
        .refused(out().header("origin", "https://evil.example"), 403)
        .await?;
    ensure!(out().header("origin", origin).send().await?.status() == StatusCode::NO_CONTENT);
    ensure!(fresh.me(&second).await? == 401, "the session has ended");

    // Twelve hours without a request.
    let third = rest::cookie(&fresh.post("/session", &body).send().await?)?;
    fresh.pass(11 * HOUR);
    ensure!(fresh.me(&third).await? == 200, "in use it lives on");
    fresh.pass(11 * HOUR);
    ensure!(fresh.me(&third).await? == 200);
    fresh.pass(12 * HOUR);
    ensure!(fresh.me(&third).await? == 401, "idle it ends");

    // A link that nobody opened for a day; asked again, another one, which is good once and ends the asking.
    let fourth = rest::cookie(&fresh.post("/session", &body).send().await?)?;
    let bob = json!({ "name": "bob", "role": "viewer" });
    let asked = |cookie: &str| {
        let invite = fresh.post("/users", &bob).header("cookie", cookie);
        invite.header("sec-fetch-site", "same-origin")
    };
    let invite = async |cookie: &str| -> Result<String> {
        let answer = asked(cookie).send().await?;
        ensure!(answer.status() == StatusCode::CREATED, "{}", answer.status());
        let invited: Value = answer.json().await?;
        let path = invited["setup_path"].as_str().unwrap_or_default();
        Ok(path.rsplit('=').next().unwrap_or_default().to_owned())
    };
    let with = |key: &str| fresh.post("/setup", &json!({ "key": key, "password": PASSWORD }));
    let first = invite(&fourth).await?;
    fresh.pass(11 * HOUR);
    let second = invite(&fourth).await?;
    ensure!(second != first, "a new link");
    fresh.nobody.refused(with(&first), 410).await?;
    fresh.pass(24 * HOUR);
    fresh.nobody.refused(with(&second), 410).await?;
    let fifth = rest::cookie(&fresh.post("/session", &body).send().await?)?;
    let used = with(&invite(&fifth).await?).send().await?;
    ensure!(used.status().is_success(), "{}", used.status());
    fresh.nobody.refused(asked(&fifth), 409).await?;
    Ok(())
}

pub(super) async fn throttling(world: Arc<World>) -> Result<Done> {
    let fresh = Fresh::new(&world, Database::Sqlite).await?;
    fresh.make_first("ann").await?;
    let sign_in = |name: &str, password: &str| fresh.post("/session", &json!({ "name": name, "password": password }));
    let wrong = fresh.nobody.refused(sign_in("ann", "not the password"), 401).await?;
    let unknown = fresh.nobody.refused(sign_in("nobody", PASSWORD), 401).await?;
    ensure!(
        (&wrong.kind, &wrong.detail) == (&unknown.kind, &unknown.detail),
        "which names there are is not told: {wrong:?} {unknown:?}"
    );
    for _ in 0..4 {
        fresh.nobody.refused(sign_in("Ann", "not the password"), 401).await?;
    }
    fresh.pass(20 * S);
    let answer = sign_in("ann", PASSWORD).send().await?;
    let wait = answer.headers().get("retry-after").cloned();
    ensure!(
        answer.status() == StatusCode::TOO_MANY_REQUESTS && wait.as_ref().is_some_and(|wait| wait == "40"),
        "{} {wait:?}",
        answer.status()
    );
    ensure!(answer.text().await?.contains("/problems/too-many-failures"));
    fresh.nobody.refused(sign_in("bob", PASSWORD), 401).await?;
    fresh.pass(40 * S);
    ensure!(sign_in("ann", PASSWORD).send().await?.status() == StatusCode::OK);
    Ok(Done::Passed)
}

pub(super) async fn tokens(world: Arc<World>) -> Result<Done> {
    let node = &world.story().await?.node;
    let owner = node.as_person("tom", Some(Role::Viewer)).await?;
    let issued: IssuedToken = owner.post("/tokens", &json!({ "name": "a script" })).await?;
    ensure!(
        issued.secret.len() == 46 && issued.secret.starts_with("rh_"),
        "{issued:?}"
    );
    let script = node.rest.with_token(Some(issued.secret.clone()));
    let me: Me = script.get("/me").await?;
    ensure!(me.name.as_str() == "tom", "{me:?}");
    let listed: Vec<Token> = owner.get("/tokens").await?;
    let listed = listed.iter().find(|token| token.id == issued.token.id);
    ensure!(
        listed.is_some_and(|token| token.last_used_us.is_some()),
        "its use is noted: {listed:?}"
    );
    ensure!(
        !serde_json::to_string(&listed)?.contains(&issued.secret[3..]),
        "its secret is told once"
    );

    let of_another = node
        .other
        .request(Method::DELETE, &format!("/tokens/{}", issued.token.id));
    node.other.refused(of_another, 404).await?;
    let revoke = owner.request(Method::DELETE, &format!("/tokens/{}", issued.token.id));
    ensure!(revoke.send().await?.status() == StatusCode::NO_CONTENT);
    script.refused(script.request(Method::GET, "/me"), 401).await?;

    let db = node.db().await?;
    let tom = server::db::users::by_name(&db, &UserName::new("tom")?).await?;
    let tom = tom.ok_or_else(|| eyre!("tom has an account"))?;
    let secret = "rh_an-expired-one";
    let expired = Token {
        id: TokenId("expired".to_owned()),
        name: "old".to_owned(),
        created_us: 1,
        expires_us: 2,
        last_used_us: None,
    };
    server::db::tokens::insert(&db, &tom.id, &expired, &Digest::of(secret.as_bytes())).await?;
    for bad in [secret, "rh_", "nonsense", &issued.secret[..45]] {
        let rest = node.rest.with_token(Some(bad.to_owned()));
        rest.refused(rest.request(Method::GET, "/me"), 401).await?;
    }
    server::db::users::set_disabled(&db, &tom.id, Some(1)).await?;
    owner.refused(owner.request(Method::GET, "/me"), 401).await?;
    db.close().await;
    Ok(Done::Passed)
}

/// Runs a command with its own folder for what it keeps, and something on standard input.
async fn run(binary: &Path, config: &Path, args: &[&str], input: &str) -> Result<Said> {
    let mut command = tokio::process::Command::new(binary);
    command.args(args).env("XDG_CONFIG_HOME", config);
    for name in ["REHEAD_TOKEN", "REHEAD_PROJECT", "REHEAD_SERVER", "REHEAD_DATABASE_URL"] {
        command.env_remove(name);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that reads nothing may have ended already.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    binary::said(child.wait_with_output().await?)
}

pub(super) async fn command_line(world: Arc<World>) -> Result<Done> {
    let node = &world.story().await?.node;
    let (rehead, server) = (world.binary().await?, node.rest.server.as_str());
    let (data, config) = (node.data.display().to_string(), tempfile::tempdir()?);
    let run = async |args: &[&str], input: &str| run(&rehead, config.path(), args, input).await;

    let said = run(&["jobs", "list", "--server", server], "").await?;
    ensure!(said.code == 1 && said.err.contains("rehead login"), "{said:?}");
    let user = ["admin", "user", "eve", "--role", "operator", "--data", &data];
    let with_password = [user.as_slice(), &["--password-stdin"]].concat();
    let said = run(&with_password, "short\n").await?;
    ensure!(said.code == 1 && said.err.contains("12 to 200"), "{said:?}");
    let said = run(&with_password, &format!("{PASSWORD}\n")).await?;
    ensure!(said.code == 0 && said.out.is_empty(), "{said:?}");
    let login = ["login", "--name", "eve", "--server", server];
    let said = run(&login, "not the password\n").await?;
    ensure!(said.code == 1 && said.err.contains("this password"), "{said:?}");
    let said = run(&login, &format!("{PASSWORD}\n")).await?;
    ensure!(said.code == 0 && said.out.contains("signed in"), "{said:?}");
    let said = run(&["jobs", "list", "--server", server, "--json"], "").await?;
    ensure!(said.code == 0 && said.json()?.is_array(), "{said:?}");
    let said = run(
        &[
            "releases",
            "publish",
            "latest",
            "--channel",
            "staging",
            "--server",
            server,
        ],
        "",
    )
    .await?;
    ensure!(
        said.code == 1 && said.err.contains("publisher"),
        "it says which role is missing: {said:?}"
    );
    let said = run(&["logout", "--server", server], "").await?;
    ensure!(said.code == 0, "{said:?}");
    let said = run(&["jobs", "list", "--server", server], "").await?;
    ensure!(said.code == 1 && said.err.contains("rehead login"), "{said:?}");

    // A one-time link instead of a password, and tokens of which the last one counts.
    let said = run(&[user.as_slice(), &["--server", server]].concat(), "").await?;
    ensure!(
        said.code == 0 && said.out.starts_with(&format!("{server}/setup?key=")) && said.out.lines().count() == 1,
        "{said:?}"
    );
    let token = ["admin", "token", "eve", "--name", "ci", "--data", &data];
    let mut secrets = Vec::new();
    for _ in 0..2 {
        let said = run(&token, "").await?;
        ensure!(said.code == 0, "{said:?}");
        secrets.push(said.out.trim().to_owned());
    }
    for (secret, expected) in secrets.iter().zip([401, 200]) {
        let rest = node.rest.with_token(Some(secret.clone()));
        let status = rest.request(Method::GET, "/me").send().await?.status();
        ensure!(status == expected, "{status}");
    }
    // A new password ends what was made in the old one's time.
    let said = run(&with_password, "another password of many words\n").await?;
    ensure!(said.code == 0, "{said:?}");
    let rest = node.rest.with_token(secrets.pop());
    let status = rest.request(Method::GET, "/me").send().await?.status();
    ensure!(status == 401, "a token outlives the password: {status}");
    let said = run(&["admin", "disable", "eve", "--data", &data], "").await?;
    ensure!(said.code == 0, "{said:?}");
    let said = run(&["admin", "setup-link", "--data", &data], "").await?;
    ensure!(said.code == 1 && said.err.contains("--global-admin"), "{said:?}");
    let said = run(&["admin", "token", "nobody", "--name", "x", "--data", &data], "").await?;
    ensure!(said.code == 1 && said.err.contains("admin user nobody"), "{said:?}");
    Ok(Done::Passed)
}
