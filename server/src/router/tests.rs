//! What every request meets on its way in and out, over the whole router without a wire.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::get;
use domain::api::people::Token;
use domain::api::{Overview, Problem};
use domain::ids::{Digest, TokenId, UserId};
use domain::names::UserName;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{MAX_JSON_BYTES, all, guarded, inner};
use crate::auth::links;
use crate::auth::permissions::{Need, TABLE};
use crate::db::users::Account;
use crate::state::AppState;
use crate::{Application, Config, db, pages};

/// The token of Ann, who may do everything.
const TOKEN: &str = "rh_of-ann";

/// A state on a folder where nothing is but Ann's account; the folder goes with it.
async fn state() -> (AppState, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::local(folder.path().to_owned());
    config.workers = 0;
    let state = Application::build(config).await.unwrap().into_state();
    let ann = Account {
        id: UserId("ann".to_owned()),
        name: UserName::new("ann").unwrap(),
        is_admin: true,
        password_hash: None,
        created_us: 1,
        disabled_us: None,
    };
    assert!(db::users::insert(&state.db, &ann, None).await.unwrap());
    let token = Token {
        id: TokenId("t".to_owned()),
        name: "tests".to_owned(),
        created_us: 1,
        expires_us: i64::MAX,
        last_used_us: None,
    };
    let hash = Digest::of(TOKEN.as_bytes());
    db::tokens::insert(&state.db, &ann.id, &token, &hash).await.unwrap();
    (state, folder)
}

fn request(method: &str, path: &str, content_type: &str, body: impl Into<Body>) -> Request {
    let builder = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "127.0.0.1:3000")
        .header(AUTHORIZATION, format!("Bearer {TOKEN}"));
    builder.header(CONTENT_TYPE, content_type).body(body.into()).unwrap()
}

fn as_nobody(mut request: Request) -> Request {
    request.headers_mut().remove(AUTHORIZATION);
    request
}

async fn answer(router: &Router, request: Request) -> Response {
    router.clone().oneshot(request).await.unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

/// Checks that the answer is a problem with this status, whose id is the header's.
async fn problem(response: Response, status: u16) -> Problem {
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.status().as_u16(), status);
    let problem: Problem = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!((problem.status, &problem.request_id), (status, &id));
    assert!(
        problem.kind.starts_with("/problems/") && !problem.detail.is_empty(),
        "{problem:?}"
    );
    problem
}

#[tokio::test]
async fn whatever_goes_wrong_is_a_problem_with_the_requests_id() {
    let (state, _folder) = state().await;
    let router = all(&state, Router::new());
    let json = "application/json";
    let long = vec![b' '; MAX_JSON_BYTES + 1];
    let image = format!("/api/v1/images/{}", Digest::of(&long));
    let letter = format!("/api/v1/images/{}", Digest::of(b"a letter"));
    let cases = [
        (request("GET", "/api/v1/nonsense", json, ""), 404, "not-found"),
        (request("GET", "/api/nonsense", json, ""), 404, "not-found"),
        (
            request("DELETE", "/api/v1/datasets", json, ""),
            405,
            "method-not-allowed",
        ),
        (
            request("POST", "/api/v1/datasets", json, "{\"name\":"),
            400,
            "bad-request",
        ),
        (
            request("POST", "/api/v1/datasets", "text/plain", "{}"),
            415,
            "bad-request",
        ),
        (
            request("POST", "/api/v1/datasets", json, "{\"name\":\"../x\"}"),
            422,
            "bad-request",
        ),
        (
            request("POST", "/api/v1/datasets", json, "{\"name\":\"x\",\"y\":1}"),
            422,
            "bad-request",
        ),
        (request("GET", "/api/v1/jobs?state=lost", json, ""), 400, "bad-request"),
        (request("GET", "/api/v1/jobs/x", json, ""), 404, "not-found"),
        (
            request("GET", "/api/v1/jobs?project=nowhere", json, ""),
            404,
            "not-found",
        ),
        (request("PUT", "/api/v1/images/abc", json, "x"), 422, "invalid"),
        (request("PUT", &letter, json, "another letter"), 422, "digest-mismatch"),
        (request("PUT", &letter, json, "a letter"), 422, "not-an-image"),
        (request("PUT", &image, json, long.clone()), 413, "too-large"),
        (request("POST", "/api/v1/datasets", json, long), 413, "too-large"),
    ];
    for (request, status, kind) in cases {
        let what = format!("{} {}", request.method(), request.uri());
        let got = problem(answer(&router, request).await, status).await;
        assert_eq!(got.kind, format!("/problems/{kind}"), "{what}: {got:?}");
    }
}

#[tokio::test]
async fn what_fails_inside_stays_inside() {
    let (state, _folder) = state().await;
    let secret = || async { panic!("the password is 1234") as StatusCode };
    let router = guarded(&state, Router::new().route("/api/v1/policies", get(secret)));
    let got = problem(answer(&router, request("GET", "/api/v1/policies", "", "")).await, 500).await;
    assert!(!format!("{got:?}").contains("1234"));
    state.db.close().await;
    let router = all(&state, Router::new());
    let got = problem(answer(&router, request("GET", "/api/v1/jobs", "", "")).await, 500).await;
    assert!(got.detail.contains("log") && !got.detail.contains("pool"), "{got:?}");
}

#[tokio::test]
async fn other_sites_and_other_names_are_refused() {
    let (state, _folder) = state().await;
    let router = all(&state, Router::new());
    let post = |name: &'static str, value: &'static str| {
        let mut request = request("POST", "/api/v1/projects", "application/json", "{\"name\":\"x\"}");
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    for (name, value) in [
        ("origin", "https://elsewhere.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("host", "rebound.example:3000"),
    ] {
        let got = problem(answer(&router, as_nobody(post(name, value))).await, 403).await;
        assert_eq!(got.kind, "/problems/forged-request", "{name}: {value}");
    }
    let made = answer(&router, post("origin", "http://127.0.0.1:3000")).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    assert_eq!(made.headers()["x-content-type-options"], "nosniff");
    assert!(
        made.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("frame-ancestors 'none'")
    );
}

#[tokio::test]
async fn the_description_lists_every_route_with_its_answers() {
    let (state, _folder) = state().await;
    let router = all(&state, Router::new());
    let described = text(answer(&router, request("GET", "/api/v1/openapi.json", "", "")).await).await;
    let described: Value = serde_json::from_str(&described).unwrap();
    let paths = described["paths"].as_object().unwrap();
    assert!(paths.len() > 30, "{:?}", paths.keys());
    for path in paths.keys() {
        let path = path.replace(['{', '}'], "");
        let request = request("OPTIONS", &path, "", "");
        let status = answer(&router, request).await.status();
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{path} is there");
    }
    let schema = &described["components"]["schemas"];
    assert!(schema["Job"].is_object() && schema["Verdict"].is_object());
}

#[tokio::test]
async fn every_route_is_declared_and_every_declaration_is_a_route() {
    let (state, _folder) = state().await;
    let router = all(&state, Router::new());
    let described = text(answer(&router, request("GET", "/api/v1/openapi.json", "", "")).await).await;
    let described: Value = serde_json::from_str(&described).unwrap();
    let mut routes = BTreeSet::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            routes.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    // What describes itself to machines only.
    routes.extend(["GET /healthz".to_owned(), "GET /api/v1/openapi.json".to_owned()]);
    routes.extend(pages::paths().into_iter().map(|path| format!("GET {path}")));
    let declared: BTreeSet<String> = TABLE
        .iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    let apart: Vec<&String> = routes.symmetric_difference(&declared).collect();
    assert!(
        apart.is_empty(),
        "in one of auth/permissions.rs and the routers only: {apart:?}"
    );
}

#[tokio::test]
async fn nobody_is_told_to_sign_in() {
    let (state, _folder) = state().await;
    let router = all(&state, crate::pages::routes(&state, inner(&state)));
    for (method, path, need) in TABLE {
        let path = path.replace(['{', '}'], "");
        let json = "application/json";
        let response = answer(&router, as_nobody(request(method.as_str(), &path, json, "{}"))).await;
        match need {
            Need::Nobody => assert_ne!(response.status(), StatusCode::UNAUTHORIZED, "{method} {path}"),
            _ if path.starts_with("/api/") => {
                assert_eq!(response.headers()["www-authenticate"], "Bearer", "{method} {path}");
                let got = problem(response, 401).await;
                assert_eq!(got.kind, "/problems/signed-out");
            }
            _ => assert_eq!(response.status(), StatusCode::SEE_OTHER, "{method} {path}"),
        }
    }
    let lost = answer(&router, as_nobody(request("GET", "/nowhere?a=1", "", ""))).await;
    assert_eq!(lost.headers()["location"], "/sign-in?next=/nowhere%3Fa%3D1");
    problem(
        answer(&router, as_nobody(request("GET", "/api/v1/nowhere", "", ""))).await,
        401,
    )
    .await;
    problem(
        answer(&router, as_nobody(request("POST", "/nowhere", "", ""))).await,
        401,
    )
    .await;
}

#[tokio::test]
async fn a_handler_that_forgets_the_table_answers_nothing() {
    let (state, _folder) = state().await;
    let secret = || async { "of another project" };
    let router = guarded(
        &state,
        Router::new().route("/api/v1/jobs", get(secret).post(secret).put(secret)),
    );
    for method in ["GET", "POST"] {
        let got = answer(&router, request(method, "/api/v1/jobs", "", "")).await;
        assert!(!problem(got, 500).await.detail.contains("another"), "{method}");
    }
    let undeclared = answer(&router, request("PUT", "/api/v1/jobs", "", "")).await;
    problem(undeclared, 405).await;
}

#[tokio::test]
async fn whoever_is_not_known_finds_a_form() {
    let (state, _folder) = state().await;
    let router = all(&state, crate::pages::routes(&state, inner(&state)));
    let page = async |path: &str| text(answer(&router, as_nobody(request("GET", path, "", ""))).await).await;
    let sign_in = page("/sign-in?next=/models/x").await;
    for part in [
        "<label for=\"name\">",
        "<label for=\"password\">",
        "autocomplete=\"username\"",
        "autocomplete=\"current-password\"",
        "method=\"post\"",
    ] {
        assert!(sign_in.contains(part), "{part}: {sign_in}");
    }
    assert!(!sign_in.contains("<b>ann"), "nobody is signed in");
    let link = links::issue(&state.db, &state.clock, Some(&UserId("ann".to_owned()))).await;
    let setup = page(&link.ok().unwrap()).await;
    assert!(setup.contains("autocomplete=\"new-password\""), "{setup}");
    assert!(setup.contains("value=\"ann\"") && setup.contains("readonly"), "{setup}");
    assert!(page("/setup?key=x").await.contains("no longer good"));
    assert!(page("/setup").await.contains("no longer good"));
    let known = text(answer(&router, request("GET", "/sign-in", "", "")).await).await;
    assert!(known.contains("<b>ann"), "{known}");
}

#[tokio::test]
async fn pages_run_no_script_without_the_answers_own_word() {
    let (state, _folder) = state().await;
    let router = all(&state, crate::pages::routes(&state, inner(&state)));
    let mut seen = BTreeSet::new();
    for path in ["/", "/sign-in", "/setup?key=x", "/nowhere"] {
        let page = answer(&router, request("GET", path, "", "")).await;
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        let nonce = policy
            .split("'nonce-")
            .nth(1)
            .unwrap()
            .split('\'')
            .next()
            .unwrap()
            .to_owned();
        assert!(
            policy.contains("default-src 'self'; script-src 'self' 'nonce-"),
            "{policy}"
        );
        assert!(
            !policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"),
            "{policy}"
        );
        // The library of languages leaves an empty one behind, which runs nothing.
        let html = text(page).await.replace("<script></script>", "");
        let scripts: Vec<&str> = html.split("<script").skip(1).collect();
        assert!(!scripts.is_empty(), "{path}");
        for script in scripts {
            let tag = script.split('>').next().unwrap();
            assert!(tag.contains(&format!("nonce=\"{nonce}\"")), "{path}: <script{tag}>");
        }
        assert!(!html.contains(" style=") && !html.contains("<style"), "{path}");
        assert!(seen.insert(nonce), "a word is used once");
    }
}

#[tokio::test]
async fn an_empty_server_tells_its_state() {
    let (state, _folder) = state().await;
    let router = all(&state, Router::new());
    let health = text(answer(&router, request("GET", "/healthz", "", "")).await).await;
    assert_eq!(
        serde_json::from_str::<Value>(&health).unwrap(),
        json!({ "status": "ok" })
    );
    let overview = text(answer(&router, request("GET", "/api/v1/overview", "", "")).await).await;
    let overview: Overview = serde_json::from_str(&overview).unwrap();
    let names: Vec<&str> = overview
        .channels
        .iter()
        .map(|live| live.channel.name.as_str())
        .collect();
    assert_eq!(names, ["production", "staging"]);
    let twice = answer(&router, request("GET", "/api/v1/overview", "", "")).await;
    let twice: Overview = serde_json::from_str(&text(twice).await).unwrap();
    assert_eq!(twice.project, overview.project, "the first project is made once");
    let head = answer(&router, request(Method::HEAD.as_str(), "/api/v1/policies", "", "")).await;
    assert_eq!(head.status(), StatusCode::OK);
}

#[tokio::test]
async fn pages_ask_the_api_in_process_and_what_is_no_page_says_so() {
    let (state, folder) = state().await;
    let pkg = folder.path().join("pkg");
    std::fs::create_dir(&pkg).unwrap();
    std::fs::write(pkg.join("app.js"), "let x;").unwrap();
    let mut config = Config::clone(&state.config);
    config.site = folder.path().to_owned();
    let state = AppState {
        config: config.into(),
        ..state
    };
    let router = all(&state, crate::pages::routes(&state, inner(&state)));
    let home = answer(&router, request("GET", "/", "", "")).await;
    assert_eq!(home.status(), StatusCode::OK);
    let home = text(home).await;
    assert!(home.starts_with("<!DOCTYPE html>"), "{home}");
    assert!(
        home.contains("production") && home.contains("staging"),
        "the overview is in it: {home}"
    );
    let missing = answer(&router, request("GET", "/nowhere", "", "")).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert!(text(missing).await.starts_with("<!DOCTYPE html>"));
    problem(answer(&router, request("GET", "/api/v1/nowhere", "", "")).await, 404).await;
    let script = answer(&router, request("GET", "/pkg/app.js", "", "")).await;
    assert_eq!(script.headers()["cache-control"], "no-cache");
    assert_eq!(text(script).await, "let x;");
    for outside in [
        "/pkg/../rehead.db",
        "/pkg/%2e%2e/rehead.db",
        "/pkg/..%2Frehead.db",
        "/pkg/none.js",
    ] {
        let refused = answer(&router, request("GET", outside, "", "")).await;
        assert_eq!(refused.status(), StatusCode::NOT_FOUND, "{outside}");
    }
}
