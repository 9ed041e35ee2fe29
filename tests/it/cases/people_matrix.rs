//! Every route of the API and every page, asked by every role: what is permitted is written out here once more.

use std::collections::BTreeSet;
use std::sync::Arc;

use color_eyre::eyre::{Result, ensure, eyre};
use domain::api::StoredImage;
use domain::api::people::User;
use domain::dataset::Dataset;
use domain::ids::Digest;
use domain::people::Role;
use domain::release::Channel;
use domain::request::Request;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Done;
use crate::photos::{self, Few};
use crate::rest::Rest;
use crate::world::{Story, World};

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Whoever asks.
    Anybody,
    /// Whoever is signed in.
    Known,
    /// This role in the project, and those above it.
    From(Role),
    /// Those who look after the whole server: no role in a project is enough.
    GlobalAdmin,
}

/// A call of a route with an answer that changes nothing others count on.
struct Call {
    method: Method,
    /// As the description of the API writes it.
    route: &'static str,
    /// What stands in it for the things in braces.
    path: String,
    body: Value,
    who: Who,
    /// What it answers to those who may.
    status: u16,
}

/// `METHOD route => path, body; who, status`
macro_rules! calls {
    ($($method:ident $route:literal => $path:expr, $body:tt; $who:expr, $status:literal)*) => {
        vec![$(Call {
            method: Method::$method,
            route: $route,
            path: $path.to_string(),
            body: json!($body),
            who: $who,
            status: $status,
        }),*]
    };
}

async fn calls(story: &Story) -> Result<Vec<Call>> {
    use Role::{Admin, Operator, Publisher, Reviewer, Viewer};
    use Who::{Anybody, From, GlobalAdmin, Known};
    let rest = &story.node.rest;
    let lost = || eyre!("the story made models and published one");
    let job = &story.clone.job.id;
    let model = story.clone.job.model.as_ref().ok_or_else(lost)?;
    let channel: Channel = rest.get("/channels/production").await?;
    let live = channel.current.ok_or_else(lost)?.id;
    let dataset: Dataset = rest.get("/datasets/lucky").await?;
    let version = dataset.latest.ok_or_else(lost)?.id;
    let request: Request = rest.post("/requests", &json!({ "title": "for the matrix" })).await?;
    let request = request.id;
    let photo = photos::few("baseline.zip", Few::SMALL, 0)?.swap_remove(0).bytes;
    let image = Digest::of(&photo);
    let _: StoredImage = rest.put_image(photo).await?;
    Ok(calls![
        POST "/api/v1/session" => "/session", { "name": "nobody" }; Anybody, 422
        GET "/api/v1/setup" => "/setup?key=x", {}; Anybody, 410
        POST "/api/v1/setup" => "/setup", { "key": "x", "password": "y" }; Anybody, 410
        DELETE "/api/v1/session" => "/session", {}; Known, 204
        GET "/api/v1/me" => "/me", {}; Known, 200
        GET "/api/v1/tokens" => "/tokens", {}; Known, 200
        POST "/api/v1/tokens" => "/tokens", { "name": "" }; Known, 422
        DELETE "/api/v1/tokens/{id}" => "/tokens/x", {}; Known, 404
        GET "/api/v1/projects" => "/projects", {}; Known, 200
        POST "/api/v1/projects" => "/projects", { "name": "main" }; GlobalAdmin, 409
        GET "/api/v1/backbones" => "/backbones", {}; Known, 200

        GET "/api/v1/projects/{name}" => "/projects/main", {}; From(Viewer), 200
        GET "/api/v1/policies" => "/policies", {}; From(Viewer), 200
        GET "/api/v1/overview" => "/overview", {}; From(Viewer), 200
        GET "/api/v1/requests" => "/requests", {}; From(Viewer), 200
        GET "/api/v1/requests/{id}" => format!("/requests/{request}"), {}; From(Viewer), 200
        GET "/api/v1/datasets" => "/datasets", {}; From(Viewer), 200
        GET "/api/v1/datasets/{dataset}" => "/datasets/lucky", {}; From(Viewer), 200
        GET "/api/v1/datasets/{dataset}/versions" => "/datasets/lucky/versions", {}; From(Viewer), 200
        GET "/api/v1/dataset-versions/{id}" => format!("/dataset-versions/{version}"), {}; From(Viewer), 200
        GET "/api/v1/dataset-versions/{id}/rows" => format!("/dataset-versions/{version}/rows"), {}; From(Viewer), 200
        GET "/api/v1/images/{digest}" => format!("/images/{image}"), {}; From(Viewer), 200
        GET "/api/v1/jobs" => "/jobs", {}; From(Viewer), 200
        GET "/api/v1/jobs/{id}" => format!("/jobs/{job}"), {}; From(Viewer), 200
        GET "/api/v1/jobs/{id}/result" => format!("/jobs/{job}/result"), {}; From(Viewer), 200
        GET "/api/v1/jobs/{id}/events" => format!("/jobs/{job}/events"), {}; From(Viewer), 200
        GET "/api/v1/jobs/{id}/preview" => format!("/jobs/{job}/preview"), {}; From(Viewer), 200
        GET "/api/v1/models" => "/models", {}; From(Viewer), 200
        GET "/api/v1/models/{id}" => format!("/models/{model}"), {}; From(Viewer), 200
        GET "/api/v1/models/{id}/report" => format!("/models/{model}/report"), {}; From(Viewer), 200
        GET "/api/v1/models/{id}/verdict" => format!("/models/{model}/verdict"), {}; From(Viewer), 200
        GET "/api/v1/models/{id}/files/{name}" => format!("/models/{model}/files/manifest.json"), {}; From(Viewer), 200
        GET "/api/v1/models/{id}/features" => format!("/models/{model}/features"), {}; From(Viewer), 200
        GET "/api/v1/models/{id}/review.html" => format!("/models/{model}/review.html"), {}; From(Viewer), 200
        GET "/api/v1/models/{id}/review.json" => format!("/models/{model}/review.json"), {}; From(Viewer), 200
        GET "/api/v1/models/{id}/classes.csv" => format!("/models/{model}/classes.csv"), {}; From(Viewer), 200
        GET "/api/v1/models/{id}/checks.csv" => format!("/models/{model}/checks.csv"), {}; From(Viewer), 200
        GET "/api/v1/models/{id}/confusion.csv" => format!("/models/{model}/confusion.csv"), {}; From(Viewer), 200
        GET "/api/v1/models/{id}/flips.csv" => format!("/models/{model}/flips.csv"), {}; From(Viewer), 200
        GET "/api/v1/models/{id}/overrides" => format!("/models/{model}/overrides"), {}; From(Viewer), 200
        GET "/api/v1/models/{id}/dial" => format!("/models/{model}/dial"), {}; From(Viewer), 200
        POST "/api/v1/models/{id}/dial" => format!("/models/{model}/dial"), { "offset": 1e9 }; From(Operator), 422
        POST "/api/v1/models/{id}/refit" => format!("/models/{model}/refit"), { "distillation": -1 }; From(Operator), 422
        POST "/api/v1/models/{id}/override" => format!("/models/{model}/override"), { "reason": "short" }; From(Reviewer), 422
        GET "/api/v1/compare" => format!("/compare?models={model}"), {}; From(Viewer), 200
        GET "/api/v1/channels" => "/channels", {}; From(Viewer), 200
        GET "/api/v1/channels/{name}" => "/channels/production", {}; From(Viewer), 200
        GET "/api/v1/releases" => "/releases", {}; From(Viewer), 200

        POST "/api/v1/requests" => "/requests", { "title": "by somebody who may" }; From(Operator), 201
        POST "/api/v1/requests/{id}/close" => format!("/requests/{request}/close"), {}; From(Operator), 200
        POST "/api/v1/datasets" => "/datasets", { "name": "lucky" }; From(Operator), 409
        POST "/api/v1/datasets/{dataset}/versions" => "/datasets/lucky/versions", { "items": [] }; From(Operator), 422
        POST "/api/v1/images/missing" => "/images/missing", { "images": [] }; From(Operator), 200
        PUT "/api/v1/images/{digest}" => format!("/images/{image}"), {}; From(Operator), 422
        POST "/api/v1/jobs" => "/jobs", {}; From(Operator), 422
        PATCH "/api/v1/jobs/{id}" => format!("/jobs/{job}"), {}; From(Operator), 409
        POST "/api/v1/jobs/{id}/start" => format!("/jobs/{job}/start"), {}; From(Operator), 409
        POST "/api/v1/jobs/{id}/cancel" => format!("/jobs/{job}/cancel"), {}; From(Operator), 200

        POST "/api/v1/channels/{name}/releases" => "/channels/production/releases",
            { "model": model, "expected": live, "note": "x".repeat(2001) }; From(Publisher), 422
        POST "/api/v1/channels/{name}/undo" => "/channels/production/undo", { "expected": "x" }; From(Publisher), 409

        PUT "/api/v1/channels/{name}/anchor" => "/channels/production/anchor", { "release": "x" }; From(Admin), 404
        PUT "/api/v1/policies/{name}" => "/policies/pilot",
            { "alpha": 0.05, "looks": 1, "checks": [] }; From(Admin), 422
        GET "/api/v1/users" => "/users", {}; From(Admin), 200
        POST "/api/v1/users" => "/users", { "name": "ANN", "role": "viewer" }; From(Admin), 409
        PUT "/api/v1/projects/{name}/members/{user}" => "/projects/main/members/ann",
            { "role": "admin" }; From(Admin), 200
        DELETE "/api/v1/projects/{name}/members/{user}" => "/projects/main/members/nobody", {}; From(Admin), 404
    ])
}

impl Call {
    async fn of(&self, rest: &Rest) -> Result<StatusCode> {
        let mut request = rest.request(self.method.clone(), &self.path);
        if self.method != Method::GET {
            request = request.json(&self.body);
        }
        let response = request.send().await?;
        let status = response.status();
        response.bytes().await?;
        Ok(status)
    }

    fn expect(&self, who: &str, got: StatusCode, expected: u16) -> Result<()> {
        ensure!(
            got == expected,
            "{who}: {} {}: expected {expected}, got {got}",
            self.method,
            self.path
        );
        Ok(())
    }
}

/// Makes somebody an admin of a project of the person's own: whatever is refused below is refused for the project that it
/// is about.
async fn admin_elsewhere(story: &Story, name: &str) -> Result<()> {
    let rest = &story.node.rest;
    let made = rest
        .request(Method::POST, "/projects")
        .json(&json!({ "name": "elsewhere" }));
    let status = made.send().await?.status();
    ensure!(
        status == StatusCode::CREATED || status == StatusCode::CONFLICT,
        "{status}"
    );
    let grant = rest.request(Method::PUT, &format!("/projects/elsewhere/members/{name}"));
    let answer = grant.json(&json!({ "role": "admin" })).send().await?;
    ensure!(answer.status().is_success(), "{}", answer.status());
    Ok(())
}

pub(super) async fn whole(world: Arc<World>) -> Result<Done> {
    let story = world.story().await?;
    let calls = calls(story).await?;

    let described: Value = story.node.rest.get("/openapi.json").await?;
    let mut routes = BTreeSet::new();
    for (path, methods) in described["paths"].as_object().into_iter().flatten() {
        for method in methods.as_object().into_iter().flat_map(|methods| methods.keys()) {
            routes.insert((method.to_uppercase(), path.clone()));
        }
    }
    let asked: BTreeSet<(String, String)> = calls
        .iter()
        .map(|call| (call.method.to_string(), call.route.to_owned()))
        .collect();
    let apart: Vec<_> = routes.symmetric_difference(&asked).collect();
    ensure!(
        apart.is_empty(),
        "described and not asked, or the other way round: {apart:?}"
    );

    for role in Role::ALL {
        let name = format!("a {role}");
        let person = story.node.as_person(&name, Some(role)).await?;
        admin_elsewhere(story, &name).await?;
        for call in &calls {
            let may = match call.who {
                Who::Anybody | Who::Known => true,
                Who::From(least) => role >= least,
                Who::GlobalAdmin => false,
            };
            let expected = if may { call.status } else { 403 };
            call.expect(&name, call.of(&person).await?, expected)?;
        }
    }
    let nobody = story.node.rest.with_token(None);
    for call in calls.iter().filter(|call| call.who == Who::GlobalAdmin) {
        call.expect("a global admin", call.of(&story.node.rest).await?, call.status)?;
    }
    for call in &calls {
        let expected = if call.who == Who::Anybody { call.status } else { 401 };
        call.expect("nobody", call.of(&nobody).await?, expected)?;
    }
    for path in ["/openapi.json", "/../../healthz"] {
        ensure!(nobody.request(Method::GET, path).send().await?.status() == StatusCode::OK);
    }
    nobody.refused(nobody.request(Method::GET, "/nonsense"), 401).await?;
    pages(&story.node.as_person("a viewer", Some(Role::Viewer)).await?, &nobody).await?;
    Ok(Done::Passed)
}

async fn pages(known: &Rest, nobody: &Rest) -> Result<()> {
    for page in ["/sign-in", "/setup"] {
        for rest in [known, nobody] {
            let status = rest.page(Method::GET, page).send().await?.status();
            ensure!(status == StatusCode::OK, "{page}: {status}");
        }
    }
    ensure!(known.page(Method::GET, "/").send().await?.status() == StatusCode::OK);
    for (page, expected) in [
        ("/", "/sign-in"),
        ("/models/x?tau=0.8", "/sign-in?next=/models/x%3Ftau%3D0.8"),
    ] {
        let answer = nobody.page(Method::GET, page).send().await?;
        let to = answer.headers().get("location").and_then(|to| to.to_str().ok());
        ensure!(
            answer.status() == StatusCode::SEE_OTHER && to == Some(expected),
            "{page}: {} {to:?}",
            answer.status()
        );
    }
    Ok(())
}

pub(super) async fn strangers(world: Arc<World>) -> Result<Done> {
    let story = world.story().await?;
    let calls = calls(story).await?;
    let rest = &story.node.rest;
    let stranger = story.node.as_person("a stranger", Some(Role::Viewer)).await?;
    let outcast = story.node.as_person("an outcast", Some(Role::Viewer)).await?;
    admin_elsewhere(story, "a stranger").await?;
    for name in ["a stranger", "an outcast"] {
        let expel = rest.request(Method::DELETE, &format!("/projects/main/members/{name}"));
        ensure!(expel.send().await?.status() == StatusCode::NO_CONTENT);
    }
    for call in calls.iter().filter(|call| matches!(call.who, Who::From(_))) {
        call.expect("a stranger", call.of(&stranger).await?, 404)?;
        call.expect("an outcast", call.of(&outcast).await?, 403)?;
    }
    let users: Vec<User> = stranger.get("/users?project=elsewhere").await?;
    let role = |name: &str| {
        users
            .iter()
            .find(|user| user.name.as_str() == name)
            .map(|user| user.role)
    };
    ensure!(
        role("a stranger") == Some(Some(Role::Admin)) && role("bob") == Some(None),
        "{users:?}"
    );
    let projects: Vec<Value> = stranger.get("/projects").await?;
    ensure!(
        projects.len() == 1 && projects[0]["name"] == "elsewhere",
        "{projects:?}"
    );

    Ok(Done::Passed)
}
