//! A plain client of `/api/v1`: what any script could do.

use std::time::Duration;

use color_eyre::eyre::{Context, Result, bail, ensure, eyre};
use domain::api::{JobResult, Problem, StoredImage};
use domain::dataset::{Dataset, DatasetVersion};
use domain::event::JobEvent;
use domain::ids::Digest;
use domain::job::Job;
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::photos::Photo;

/// No answer of any case takes longer.
const PATIENCE: Duration = Duration::from_secs(240);

/// A server's address, and who asks it.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    http: reqwest::Client,
    pub(crate) server: String,
    /// Nobody without one.
    pub(crate) token: Option<String>,
}

impl Rest {
    /// Asks as nobody.
    pub(crate) fn new(server: String) -> Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let token = None;
        Ok(Self { http, server, token })
    }

    /// The same server, asked with this token.
    pub(crate) fn with_token(&self, token: Option<String>) -> Self {
        Self { token, ..self.clone() }
    }

    /// A request; `path` begins after `/api/v1`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.page(method, &format!("/api/v1{path}"))
    }

    /// A request; `path` is the whole path.
    pub(crate) fn page(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.server));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        let response = self.request(Method::GET, path).send().await?;
        ensure!(response.status().is_success(), "GET {path}: {}", response.status());
        Ok(response.bytes().await?.to_vec())
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T> {
        answer(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put_image(&self, bytes: Vec<u8>) -> Result<StoredImage> {
        let path = format!("/images/{}", Digest::of(&bytes));
        answer(self.request(Method::PUT, &path).body(bytes)).await
    }

    /// A new dataset with these photos in it.
    pub(crate) async fn dataset(&self, name: &str, photos: &[Photo]) -> Result<DatasetVersion> {
        let _: Dataset = self.post("/datasets", &json!({ "name": name })).await?;
        stream::iter(photos)
            .map(|photo| self.put_image(photo.bytes.clone()))
            .buffer_unordered(8)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        self.version(name, photos).await
    }

    /// A new version of a dataset with these photos, which are stored already.
    pub(crate) async fn version(&self, dataset: &str, photos: &[Photo]) -> Result<DatasetVersion> {
        let item = |photo: &Photo| {
            json!({
                "image": Digest::of(&photo.bytes), "class": photo.class, "split": photo.split, "name": photo.name,
            })
        };
        let items: Vec<Value> = photos.iter().map(item).collect();
        self.post(&format!("/datasets/{dataset}/versions"), &json!({ "items": items }))
            .await
    }

    /// Makes a job, starts it and follows it to its end.
    pub(crate) async fn run_job(&self, body: &Value) -> Result<(JobResult, Vec<JobEvent>)> {
        let job: Job = self.post("/jobs", body).await?;
        let events = self.events(&job.id.0, None).await?;
        let result = self.get(&format!("/jobs/{}/result", job.id)).await?;
        Ok((result, events))
    }

    /// All events of a job, up to its end: the stream ends after the last.
    pub(crate) async fn events(&self, job: &str, last: Option<i64>) -> Result<Vec<JobEvent>> {
        let mut request = self.request(Method::GET, &format!("/jobs/{job}/events"));
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = request.send().await?;
        ensure!(response.status().is_success(), "events of {job}: {}", response.status());
        let text = response.text().await.context("the event stream broke")?;
        parse_events(&text)
    }

    /// Waits for an event of a job, polling from where it was.
    pub(crate) async fn wait_for(&self, job: &str, what: &str, is_it: impl Fn(&JobEvent) -> bool) -> Result<JobEvent> {
        let response = self.request(Method::GET, &format!("/jobs/{job}/events")).send().await?;
        let mut stream = response.bytes_stream();
        let mut text = String::new();
        let found = async {
            while let Some(bytes) = stream.try_next().await? {
                text.push_str(std::str::from_utf8(&bytes)?);
                let whole = text.rfind("\n\n").map_or(0, |end| end + 2);
                let events = parse_events(&text[..whole])?;
                text.drain(..whole);
                if let Some(event) = events.into_iter().find(|event| is_it(event)) {
                    return Ok(event);
                }
            }
            bail!("job {job} ended before {what}")
        };
        tokio::time::timeout(PATIENCE, found)
            .await
            .map_err(|_| eyre!("job {job}: {what} did not happen"))?
    }

    /// Sends what must be refused, and checks the form of the refusal.
    pub(crate) async fn refused(&self, request: RequestBuilder, status: u16) -> Result<Problem> {
        let response = request.send().await?;
        let got = response.status();
        let content_type = response.headers().get("content-type").cloned();
        let header_id = response.headers().get("x-request-id").cloned();
        let text = response.text().await?;
        ensure!(
            got == StatusCode::from_u16(status)?,
            "expected {status}, got {got}: {text}"
        );
        let is_problem = content_type
            .as_ref()
            .is_some_and(|value| value.as_bytes().starts_with(b"application/problem+json"));
        ensure!(
            is_problem,
            "a refusal is application/problem+json, got {content_type:?}: {text}"
        );
        let problem: Problem = serde_json::from_str(&text).with_context(|| text.clone())?;
        ensure!(
            problem.status == status,
            "the body says {}, the answer {status}",
            problem.status
        );
        ensure!(!problem.request_id.is_empty(), "a refusal names its request: {text}");
        if let Some(id) = header_id {
            ensure!(
                id.as_bytes() == problem.request_id.as_bytes(),
                "header and body name different requests"
            );
        }
        ensure!(
            !problem.detail.is_empty() && !problem.title.is_empty(),
            "a refusal says why: {text}"
        );
        ensure!(
            text.len() < 2_000,
            "a refusal does not repeat what it was sent: {} bytes",
            text.len()
        );
        for internal in ["sqlx", "SELECT", "INSERT", "panicked", "src/", ".rs:"] {
            ensure!(!text.contains(internal), "internals reach the client: {text}");
        }
        Ok(problem)
    }
}

/// What a browser would send back of the session that an answer begins.
pub(crate) fn cookie(answer: &Response) -> Result<String> {
    let cookie = answer.headers().get("set-cookie").and_then(|value| value.to_str().ok());
    let cookie = cookie.ok_or_else(|| eyre!("no session begins: {}", answer.status()))?;
    ensure!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"),
        "{cookie}"
    );
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T> {
    let response = request.send().await?;
    let (status, url) = (response.status(), response.url().clone());
    let text = response.text().await?;
    ensure!(status.is_success(), "{url}: {status}: {text}");
    serde_json::from_str(&text).with_context(|| format!("{url}: {text}"))
}

/// The events of a piece of an event stream; the SSE id must be the event's own number.
fn parse_events(text: &str) -> Result<Vec<JobEvent>> {
    let mut events = Vec::new();
    for block in text.replace('\r', "").split("\n\n") {
        let field = |name: &str| {
            let prefix = format!("{name}:");
            block
                .lines()
                .find_map(|line| Some(line.strip_prefix(&prefix)?.trim_start().to_owned()))
        };
        let Some(data) = field("data") else { continue };
        let event: JobEvent = serde_json::from_str(&data).with_context(|| data.clone())?;
        ensure!(
            field("id") == Some(event.seq.to_string()),
            "the SSE id is the event's number: {block}"
        );
        events.push(event);
    }
    Ok(events)
}
