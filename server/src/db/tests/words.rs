//! Reviewers' words, whose job is whose, and the log of anchors.

use domain::ids::{OverrideId, UserId};
use domain::names::UserName;
use domain::overrides::{Ground, GroundKind, Override};

use super::{
    ChannelName, JobId, ModelId, Move, Release, ReleaseAction, ReleaseId, Store, VerdictState, Word, after, jobs,
    overrides, releases,
};
use crate::db::users::{self, Account};

impl Store {
    pub(super) async fn user(&self, name: &str) -> UserId {
        let account = Account {
            id: UserId(name.to_owned()),
            name: UserName::new(name).unwrap(),
            is_admin: false,
            password_hash: None,
            created_us: 1,
            disabled_us: None,
        };
        assert!(users::insert(&self.db, &account, None).await.unwrap());
        account.id
    }

    pub(super) fn word(&self, id: &str, model: &ModelId) -> Override {
        Override {
            id: OverrideId(id.to_owned()),
            model: model.clone(),
            by: UserName::new("rita").unwrap(),
            reason: "seen by a reviewer".to_owned(),
            verdict: VerdictState::Unproven,
            grounds: vec![Ground {
                kind: GroundKind::OtherBaseline,
                channel: Some(ChannelName::new("production").unwrap()),
                other: Some(model.clone()),
                sentence: "It was never measured.".to_owned(),
            }],
            created_us: 7,
        }
    }

    /// A job of `made_by`, started by `started_by`, made from another one.
    async fn job_of(&self, id: &str, source: Option<&JobId>, made_by: &UserId, started_by: &UserId) -> JobId {
        let like = self.queued(&format!("like {id}")).await;
        let mut job = self.job(&like).await;
        job.id = JobId(id.to_owned());
        job.spec.source = source.cloned();
        jobs::insert(&self.db, &job, Some(made_by)).await.unwrap();
        assert!(jobs::start(&self.db, &job.id, Some(started_by), 2).await.unwrap());
        job.id
    }
}

#[tokio::test]
async fn a_job_is_of_all_whose_jobs_it_descends_from() {
    let store = Store::new().await;
    let (ann, bob, cid, eve) = (
        store.user("ann").await,
        store.user("bob").await,
        store.user("cid").await,
        store.user("eve").await,
    );
    let first = store.job_of("first", None, &ann, &bob).await;
    let turned = store.job_of("turned", Some(&first), &cid, &cid).await;
    let refitted = store.job_of("refitted", Some(&turned), &cid, &cid).await;
    let unlike = store.job_of("unlike", None, &eve, &eve).await;
    for (job, whose) in [
        (&first, [true, true, false, false]),
        (&turned, [true, true, true, false]),
        (&refitted, [true, true, true, false]),
        (&unlike, [false, false, false, true]),
    ] {
        for (user, expected) in [&ann, &bob, &cid, &eve].into_iter().zip(whose) {
            assert_eq!(
                jobs::is_of(&store.db, job, user).await.unwrap(),
                expected,
                "{job} {user}"
            );
        }
    }
}

#[tokio::test]
async fn a_word_given_with_a_release_is_written_with_it_or_not_at_all() {
    let store = Store::new().await;
    let (rita, model) = (store.user("rita").await, store.model("m").await);
    let word = store.word("o", &model);
    let with = |expected| Move {
        expected,
        by: Some(&rita),
        word: Word::Given(&word),
    };
    let release = Release {
        override_reason: Some(word.reason.clone()),
        ..store.release("r1", &model)
    };
    let stale = ReleaseId("another".to_owned());
    let lost = releases::publish(&store.db, &release, with(Some(&stale)))
        .await
        .unwrap();
    assert_eq!(lost, None);
    let words = overrides::of_model(&store.db, &model).await.unwrap();
    assert_eq!(words, [], "who lost gave no word");
    assert!(
        releases::publish(&store.db, &release, with(None))
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        overrides::of_model(&store.db, &model).await.unwrap(),
        std::slice::from_ref(&word)
    );
    let kept = Move {
        expected: Some(&release.id),
        by: None,
        word: Word::Kept(&word.id),
    };
    let again = Release {
        id: ReleaseId("r2".to_owned()),
        ..release.clone()
    };
    assert!(releases::publish(&store.db, &again, kept).await.unwrap().is_some());
    for id in [&release.id, &again.id] {
        let read = releases::get(&store.db, id).await.unwrap().unwrap();
        assert_eq!(read.override_by.as_ref().map(UserName::as_str), Some("rita"));
    }
}

#[tokio::test]
async fn a_moved_anchor_is_in_the_log_and_moves_nothing_else() {
    let store = Store::new().await;
    let (old, new): (ModelId, ModelId) = (store.model("old").await, store.model("new").await);
    let first = store.release("r1", &old);
    let second = store.release("r2", &new);
    for (release, expected) in [(&first, None), (&second, Some(&first.id))] {
        assert!(
            releases::publish(&store.db, release, after(expected))
                .await
                .unwrap()
                .is_some()
        );
    }
    let pin = async |id: &str, to: &ReleaseId| {
        let moved = Release {
            action: ReleaseAction::Anchor,
            anchors: Some(to.clone()),
            ..store.release(id, &old)
        };
        releases::pin_anchor(&store.db, &moved, None).await.unwrap()
    };
    assert!(
        !pin("a0", &ReleaseId("another".to_owned())).await,
        "no release of the channel"
    );
    assert!(pin("a1", &first.id).await, "it is the anchor already");
    assert!(pin("a2", &second.id).await);
    assert!(
        !pin("a3", &ReleaseId("a2".to_owned())).await,
        "an anchor is no release to count from"
    );
    let log = releases::of_channel(&store.db, &store.project, &first.channel)
        .await
        .unwrap();
    let told: Vec<(&str, i64, ReleaseAction)> = log
        .iter()
        .map(|release| (release.id.0.as_str(), release.number, release.action))
        .collect();
    assert_eq!(
        told,
        [
            ("a2", 3, ReleaseAction::Anchor),
            ("r2", 2, ReleaseAction::Publish),
            ("r1", 1, ReleaseAction::Publish)
        ]
    );
    assert_eq!((&log[0].model, log[0].previous_model.as_ref()), (&new, Some(&old)));
    let channels = releases::channels(&store.db, &store.project).await.unwrap();
    let (current, anchor) = (
        channels[0].current.as_ref().unwrap(),
        channels[0].anchor.as_ref().unwrap(),
    );
    assert_eq!((&current.id, &anchor.id), (&second.id, &second.id));
    // The log goes on behind it.
    let third = store.release("r3", &old);
    let third = releases::publish(&store.db, &third, after(Some(&second.id)))
        .await
        .unwrap();
    assert_eq!(third.unwrap().number, 4);
}
