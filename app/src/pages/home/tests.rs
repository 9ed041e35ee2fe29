//! What the server sends for a given overview, with a stand-in for `/api/v1`.

use std::sync::Arc;

use domain::api::{LiveChannel, Overview, Problem, Project};
use domain::gate::policy::GatePolicy;
use domain::gate::verdict::{VerdictState, VerdictSummary};
use domain::ids::{Digest, JobId, ModelId, ProjectId, ReleaseId, RequestId};
use domain::job::{Job, JobSpec, JobState, Stage, TrainConfig};
use domain::names::{ChannelName, ClassName, ProjectName};
use domain::release::{Channel, Release, ReleaseAction};
use domain::request::Request;
use futures::StreamExt;
use hydration_context::SsrSharedContext;
use leptos::prelude::*;
use leptos_meta::ServerMetaContext;
use leptos_router::location::RequestUrl;

use crate::backend::{Answer, Backend, BackendError, SharedBackend};

const NOW_US: i64 = 1_771_315_509_000_000;
const MINUTE_US: i64 = 60_000_000;

struct Fixed(Result<String, BackendError>);

impl Backend for Fixed {
    fn get(&self, path: String) -> Answer {
        assert_eq!(path, "/api/v1/overview?project=main");
        Box::pin(std::future::ready(self.0.clone()))
    }

    fn post(&self, path: String, _body: String) -> Answer {
        panic!("the front page must not write: {path}")
    }

    fn patch(&self, path: String, _body: String) -> Answer {
        panic!("the front page must not write: {path}")
    }
}

/// The page at `path` as the server renders it, without hydration's markers.
fn page(path: &str, answer: Result<String, BackendError>, headers: &[(&'static str, &str)]) -> String {
    // Set once for all tests; the next one is told that it is set.
    _ = any_spawner::Executor::init_futures_executor();
    let mut request = http::Request::new(());
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let (parts, ()) = request.into_parts();
    let owner = Owner::new_root(Some(Arc::new(SsrSharedContext::new())));
    let (meta, meta_output) = ServerMetaContext::new();
    let stream = owner.with(|| {
        provide_context::<SharedBackend>(Arc::new(Fixed(answer)));
        provide_context(parts);
        provide_context(RequestUrl::new(path));
        provide_context(meta);
        let options = LeptosOptions::builder().output_name("app").build();
        crate::shell(options).to_html_stream_in_order()
    });
    let html = futures::executor::block_on(async move {
        let stream = meta_output.inject_meta_context(stream).await;
        stream.collect::<String>().await
    });
    drop(owner);
    html.replace("<!>", "").replace("<!---->", "")
}

fn overview() -> Overview {
    let project = ProjectId("p-1".to_owned());
    Overview {
        project: Project {
            id: project,
            name: ProjectName::new("main").unwrap(),
            created_us: 0,
        },
        channels: vec![empty_channel("production"), empty_channel("staging")],
        running: vec![],
        to_review: vec![],
        requests: vec![],
        now_us: NOW_US,
    }
}

fn empty_channel(name: &str) -> LiveChannel {
    LiveChannel {
        channel: Channel {
            project: ProjectId("p-1".to_owned()),
            name: ChannelName::new(name).unwrap(),
            anchor: None,
            current: None,
        },
        classes: vec![],
    }
}

fn release() -> Release {
    Release {
        id: ReleaseId("r-1".to_owned()),
        project: ProjectId("p-1".to_owned()),
        channel: ChannelName::new("production").unwrap(),
        number: 3,
        model: ModelId("01890000-0000-7000-8000-0000abcd1234".to_owned()),
        previous_model: None,
        action: ReleaseAction::Publish,
        undoes: None,
        anchors: None,
        verdict: VerdictState::Unproven,
        override_reason: Some("the sponsor <b>insists</b>".to_owned()),
        override_by: None,
        note: "<script>alert(1)</script>".to_owned(),
        request: None,
        by: None,
        created_us: NOW_US - 3 * MINUTE_US,
    }
}

fn job(state: JobState) -> Job {
    Job {
        id: JobId("j-00000001".to_owned()),
        project: ProjectId("p-1".to_owned()),
        request: None,
        spec: JobSpec {
            baseline: Some(ModelId("01890000-0000-7000-8000-0000abcd1234".to_owned())),
            anchor: None,
            turned_from: None,
            backbone: Digest::of(b"backbone"),
            dataset_versions: vec![],
            source: None,
            config: TrainConfig::default(),
            policy: GatePolicy::pilot(),
        },
        state,
        stage: None,
        progress_done: 0,
        progress_total: 0,
        attempt: 0,
        cancel_requested: false,
        error: None,
        verdict: None,
        model: None,
        stage_times: vec![],
        created_by: None,
        created_us: NOW_US - 2 * MINUTE_US,
        queued_us: Some(NOW_US - 2 * MINUTE_US),
        started_us: None,
        finished_us: None,
    }
}

fn home(overview: &Overview) -> String {
    page("/", Ok(serde_json::to_string(overview).unwrap()), &[])
}

#[track_caller]
fn assert_says(html: &str, words: &[&str]) {
    // What hydration needs is below the page: words must stand on the page itself.
    let seen = html.split("</main>").next().unwrap();
    for word in words {
        assert!(seen.contains(word), "{word:?} is missing in {seen}");
    }
}

#[test]
fn an_empty_project_says_what_to_do_first() {
    let html = home(&overview());
    assert_says(
        &html,
        &[
            "<html lang=\"en\"",
            "Project main",
            "Clients that follow this channel get no model",
            "rehead releases publish latest --channel production",
            "Nobody is waiting",
            "No job is running or queued",
            "No candidate waits",
        ],
    );
    assert!(!html.contains("style=\""), "no inline styles");
    assert!(html.contains("<title>Respond · Rehead</title>"), "{html}");
}

#[test]
fn what_is_live_is_told_with_its_override_and_escaped() {
    let mut overview = overview();
    overview.channels[0].channel.current = Some(release());
    overview.channels[0].classes = ["fu", "马老师福"].map(|name| ClassName::new(name).unwrap()).to_vec();
    let html = home(&overview);
    assert_says(
        &html,
        &[
            "<span class=\"tag unproven\">unproven</span>",
            ">abcd1234</code>",
            "Release 3",
            "3 min ago",
            "2026-02-17T08:02:09Z",
            "<li class=\"chip\">马老师福</li>",
            "Published on a reviewer's word.",
            "&lt;b&gt;insists&lt;/b&gt;",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
        ],
    );
    assert!(
        !html.contains("<script>alert(1)"),
        "a note is text, also below the page"
    );
}

#[test]
fn a_running_job_shows_its_stage_and_the_time_it_has() {
    let mut overview = overview();
    overview.running = vec![
        Job {
            stage: Some(Stage::Extract),
            progress_done: 1_499,
            progress_total: 3_000,
            attempt: 2,
            started_us: Some(NOW_US - MINUTE_US),
            ..job(JobState::Running)
        },
        job(JobState::Queued),
    ];
    assert_says(
        &home(&overview),
        &[
            "Clone of abcd1234",
            "attempt 2",
            "<li class=\"step done\">Fetch</li>",
            "<li aria-current=\"step\" class=\"step current\">Extract</li>",
            "1499 of 3000 photos",
            "<b>49 %</b>",
            "14:00 left until its deadline",
            "Waits for a worker",
        ],
    );
}

#[test]
fn a_candidate_comes_with_its_sentence() {
    let mut overview = overview();
    overview.to_review = vec![Job {
        model: Some(ModelId("m-1".to_owned())),
        verdict: Some(VerdictSummary {
            state: VerdictState::Fail,
            sentence: "7 of 90 photos of fu were lost".to_owned(),
            sentence_zh: String::new(),
            structural_failure: true,
        }),
        started_us: Some(NOW_US - MINUTE_US),
        finished_us: Some(NOW_US - MINUTE_US + 4_200_000),
        ..job(JobState::Succeeded)
    }];
    assert_says(
        &home(&overview),
        &[
            "<span class=\"tag fail\">fail</span>",
            "7 of 90 photos of fu were lost",
            "This cannot be overridden.",
            "Model m-1",
            "4.2 s from start to verdict",
        ],
    );
}

#[test]
fn the_hour_counts_down_and_past_its_end() {
    let request = |title: &str, due_us| Request {
        id: RequestId(title.to_owned()),
        project: ProjectId("p-1".to_owned()),
        title: title.to_owned(),
        opened_us: NOW_US - 20 * MINUTE_US,
        due_us,
        closed_us: None,
        datasets: vec![],
        jobs: vec![JobId("j-1".to_owned())],
        releases: vec![],
    };
    let mut overview = overview();
    overview.requests = vec![
        request("Later", NOW_US + 41 * MINUTE_US + 20_000_000),
        request("Late", NOW_US - MINUTE_US),
    ];
    let html = home(&overview);
    assert_says(
        &html,
        &["<b>41:20</b>", "<b>01:00</b>", "over time", "due 2026-02-17 08:46 UTC"],
    );
    assert!(
        html.find(">Late<").unwrap() < html.find(">Later<").unwrap(),
        "the most urgent comes first"
    );
}

#[test]
fn an_error_speaks_names_its_request_and_offers_another_try() {
    let error = BackendError {
        status: 503,
        problem: Some(Box::new(Problem {
            kind: "/problems/unavailable".to_owned(),
            title: "Unavailable".to_owned(),
            status: 503,
            detail: "the database does not answer".to_owned(),
            request_id: "req-42".to_owned(),
        })),
        message: String::new(),
    };
    assert_says(
        &page("/", Err(error), &[]),
        &[
            "the database does not answer",
            "<code>req-42</code>",
            "Try again",
            "role=\"alert\"",
        ],
    );
    assert_says(&page("/", Ok("{}".to_owned()), &[]), &["is not what this page expects"]);
}

#[test]
fn the_readers_language_is_the_cookies_then_the_browsers() {
    let answer = serde_json::to_string(&overview()).unwrap();
    let render = |headers: &[(&'static str, &str)]| page("/", Ok(answer.clone()), headers);
    let zh = render(&[("accept-language", "zh-CN,zh;q=0.9,en;q=0.5")]);
    assert_says(&zh, &["<html lang=\"zh\"", "目前没有人在等"]);
    let chosen = render(&[("accept-language", "zh-CN"), ("cookie", "rehead_language=en")]);
    assert_says(&chosen, &["<html lang=\"en\"", "Nobody is waiting"]);
    assert_says(&render(&[("accept-language", "fr")]), &["<html lang=\"en\""]);
}

#[test]
fn an_unknown_address_says_so() {
    let html = page("/no/such/page", Ok(String::new()), &[]);
    assert_says(&html, &["There is no page here", "Go to what is live"]);
}
