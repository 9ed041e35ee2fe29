//! Calls of `/api/v1`: addresses, bodies, and errors as the server tells them.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use domain::api::Problem;
use domain::api::people::{IssuedToken, NewSession, NewToken};
use domain::names::ProjectName;
use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ClientError;
use super::{Globals, credentials};

/// How long a silent connection is believed in. Longer than any answer takes to compute.
const READ_TIMEOUT: Duration = Duration::from_secs(300);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Waits between tries of a call that may be repeated; about 13 seconds in all.
const BACKOFF_MS: [u64; 6] = [200, 400, 800, 1_600, 3_200, 6_400];

/// A server and a project on it.
#[derive(Clone, Debug)]
pub(super) struct Api {
    http: reqwest::Client,
    server: Url,
    project: ProjectName,
    /// Says who asks.
    token: Option<String>,
}

impl Api {
    /// A client of the server that the command line names.
    ///
    /// # Errors
    /// The address is not an http or https URL.
    pub(super) fn new(globals: &Globals) -> Result<Self, ClientError> {
        let address = |reason: String| ClientError::Address {
            server: globals.server.clone(),
            reason,
        };
        let server = Url::parse(&globals.server).map_err(|error| address(error.to_string()))?;
        if !matches!(server.scheme(), "http" | "https") || server.host_str().is_none() {
            return Err(address("it must begin with http:// or https://".to_owned()));
        }
        let http = reqwest::Client::builder()
            .user_agent(concat!("rehead/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()
            .map_err(|error| address(innermost(&error)))?;
        let mut api = Self {
            http,
            server,
            project: globals.project.clone(),
            token: None,
        };
        api.token = credentials::token(&api.server())?;
        Ok(api)
    }

    /// The project that the command line names.
    pub(super) fn project(&self) -> &ProjectName {
        &self.project
    }

    /// The address of the server, for people.
    pub(super) fn server(&self) -> String {
        self.server.as_str().trim_end_matches('/').to_owned()
    }

    /// The address of a resource; each segment is escaped, so a name cannot leave its place.
    fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.server.clone();
        url.path_segments_mut()
            .expect("an http URL has path segments")
            .pop_if_empty()
            .extend(["api", "v1"])
            .extend(segments);
        // Every call carries the project, also where an id or a body already says it.
        let mut pairs = url.query_pairs_mut();
        pairs.append_pair("project", self.project.as_str());
        pairs.extend_pairs(query);
        drop(pairs);
        url
    }

    fn request(&self, method: Method, segments: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        let request = self.http.request(method, self.url(segments, query));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// GET, JSON.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, ClientError> {
        self.json(self.request(Method::GET, segments, query)).await
    }

    /// GET, JSON; none where the server says 404.
    pub(super) async fn find<T: DeserializeOwned>(&self, segments: &[&str]) -> Result<Option<T>, ClientError> {
        match self.get(segments, &[]).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// GET, the exact bytes.
    pub(super) async fn get_bytes(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Bytes, ClientError> {
        let request = self.request(Method::GET, segments, query);
        let (response, call) = self.send(request).await?;
        response.bytes().await.map_err(|error| call.broken(&error))
    }

    /// POST, JSON in and out.
    pub(super) async fn post<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        segments: &[&str],
        body: &B,
    ) -> Result<T, ClientError> {
        self.json(self.request(Method::POST, segments, &[]).json(body)).await
    }

    /// PUT.
    pub(super) async fn put<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        segments: &[&str],
        body: &B,
    ) -> Result<T, ClientError> {
        self.json(self.request(Method::PUT, segments, &[]).json(body)).await
    }

    /// POST without a body.
    pub(super) async fn post_empty<T: DeserializeOwned>(&self, segments: &[&str]) -> Result<T, ClientError> {
        self.json(self.request(Method::POST, segments, &[])).await
    }

    /// PUT of bytes.
    pub(super) async fn put_bytes<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        bytes: Bytes,
    ) -> Result<T, ClientError> {
        let request = self
            .request(Method::PUT, segments, &[])
            .header(reqwest::header::CONTENT_TYPE, "application/octet-stream")
            .body(bytes);
        self.json(request).await
    }

    /// DELETE, as somebody with this token.
    pub(super) async fn delete_as(&self, token: &str, segments: &[&str]) -> Result<(), ClientError> {
        let request = self.http.delete(self.url(segments, &[])).bearer_auth(token);
        self.send(request).await.map(drop)
    }

    /// Signs in with a password, makes a token and signs out again; the server's words where it refuses.
    pub(super) async fn new_token(&self, session: &NewSession, token: &NewToken) -> Result<IssuedToken, ClientError> {
        let sign_in = self.http.post(self.url(&["session"], &[])).json(session);
        let (response, call) = self.send_plainly(sign_in).await?;
        let cookie = response.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok());
        let cookie = cookie.and_then(|value| value.split(';').next()).map(ToOwned::to_owned);
        let cookie = cookie.ok_or_else(|| call.not_understood("it begins no session".to_owned()))?;
        // A cookie counts only together with where it comes from.
        let origin = self.server.origin().ascii_serialization();
        let with_session = |method, segments: &[&str]| {
            let request = self.http.request(method, self.url(segments, &[]));
            request.header(COOKIE, &cookie).header(ORIGIN, &origin)
        };
        let (response, call) = self.send(with_session(Method::POST, &["tokens"]).json(token)).await?;
        let bytes = response.bytes().await.map_err(|error| call.broken(&error))?;
        let issued = serde_json::from_slice(&bytes).map_err(|error| call.not_understood(error.to_string()))?;
        self.send(with_session(Method::DELETE, &["session"])).await?;
        Ok(issued)
    }

    /// A job's events after `last`, as a stream that stays open.
    pub(super) async fn events(&self, job: &str, last: i64) -> Result<Response, ClientError> {
        let mut request = self
            .request(Method::GET, &["jobs", job, "events"], &[])
            .header(reqwest::header::ACCEPT, "text/event-stream");
        if last > 0 {
            request = request.header("last-event-id", last.to_string());
        }
        self.send(request).await.map(|(response, _)| response)
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let (response, call) = self.send(request).await?;
        let bytes = response.bytes().await.map_err(|error| call.broken(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| call.not_understood(error.to_string()))
    }

    async fn send(&self, request: RequestBuilder) -> Result<(Response, Call), ClientError> {
        match self.send_plainly(request).await {
            Err(error) if error.status() == Some(401) => Err(ClientError::SignedOut { server: self.server() }),
            answer => answer,
        }
    }

    async fn send_plainly(&self, request: RequestBuilder) -> Result<(Response, Call), ClientError> {
        let (client, request) = request.build_split();
        let request = request.map_err(|error| ClientError::Usage(innermost(&error)))?;
        let call = Call {
            method: request.method().to_string(),
            url: request.url().to_string(),
        };
        let response = client.execute(request).await.map_err(|error| {
            if error.is_connect() {
                ClientError::Unreachable { server: self.server() }
            } else {
                call.broken(&error)
            }
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok((response, call));
        }
        let bytes = response.bytes().await.map_err(|error| call.broken(&error))?;
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Err(ClientError::Refused(Box::new(problem))),
            Err(_) => Err(call.not_understood(format!("status {status}"))),
        }
    }
}

/// What was asked, for the error's text.
struct Call {
    method: String,
    url: String,
}

impl Call {
    fn broken(&self, error: &reqwest::Error) -> ClientError {
        ClientError::Transport {
            method: self.method.clone(),
            url: self.url.clone(),
            reason: innermost(error),
            may_pass: error.is_timeout() || error.is_request() || error.is_body(),
        }
    }

    fn not_understood(&self, reason: String) -> ClientError {
        ClientError::Answer {
            url: self.url.clone(),
            reason,
        }
    }
}

/// Repeats a call that may be repeated while its error is one that may pass.
pub(super) async fn with_retries<T>(call: impl AsyncFn() -> Result<T, ClientError>) -> Result<T, ClientError> {
    for wait_ms in BACKOFF_MS {
        match call().await {
            Err(error) if error.may_pass() => tokio::time::sleep(Duration::from_millis(wait_ms)).await,
            answer => return answer,
        }
    }
    call().await
}

/// The last cause of an error: what the system said.
fn innermost(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(server: &str) -> Result<Api, ClientError> {
        Api::new(&Globals {
            server: server.to_owned(),
            project: ProjectName::new("main").unwrap(),
            json: false,
        })
    }

    #[test]
    fn names_cannot_leave_their_place_in_an_address() {
        let api = api("http://127.0.0.1:3000/").unwrap();
        let url = api.url(&["datasets", "a/../b?x=1", "versions"], &[("split", "all")]);
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:3000/api/v1/datasets/a%2F..%2Fb%3Fx=1/versions?project=main&split=all"
        );
        let below = super::tests::api("http://example.org/rehead").unwrap();
        assert!(
            below
                .url(&["jobs"], &[])
                .as_str()
                .starts_with("http://example.org/rehead/api/v1/jobs?")
        );
    }

    #[test]
    fn an_address_that_is_none_is_a_usage_error() {
        for server in ["", "127.0.0.1:3000", "ftp://x", "nonsense"] {
            assert!(matches!(api(server), Err(ClientError::Address { .. })), "{server}");
        }
    }
}
