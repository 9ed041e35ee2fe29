//! A job is computed with one arithmetic from its beginning to its end.

use super::*;

const PATIENCE_US: i64 = 10 * 60 * 1_000_000;

impl Store {
    async fn claim_with(&self, kernel: &str, now_us: i64) -> Option<Claim> {
        if !queue::is_waiting(&self.db, now_us, kernel).await.unwrap() {
            return None;
        }
        queue::sweep(&self.db, now_us, kernel).await.unwrap();
        let clock = Clock::new(move || now_us);
        queue::claim(&self.db, &worker(kernel), kernel, &clock, LEASE_US)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_job_stays_with_the_arithmetic_that_it_was_begun_with() {
    let store = Store::new().await;
    let job = store.queued("j").await;
    assert_eq!(store.claim_with("fma", 10).await.map(|claim| claim.attempt), Some(1));
    let lost = 10 + 2 * LEASE_US;
    assert!(
        store.claim_with("plain", lost).await.is_none(),
        "another kind of worker"
    );
    assert_eq!(store.job(&job).await.state, JobState::Running);
    assert_eq!(store.claim_with("fma", lost).await.map(|claim| claim.attempt), Some(2));
    // Given back, it waits for the same kind.
    assert!(store.finish(&worker("fma"), &job, 2, &Ending::Released).await);
    assert!(store.claim_with("plain", lost + 1).await.is_none());
    assert_eq!(
        store.claim_with("fma", lost + 1).await.map(|claim| claim.attempt),
        Some(2)
    );
}

#[tokio::test]
async fn a_job_that_no_worker_can_go_on_with_says_so() {
    let store = Store::new().await;
    let (job, released) = (store.queued("j").await, store.queued("k").await);
    assert!(store.claim_with("fma", 10).await.is_some());
    assert!(store.claim_with("fma", 10).await.is_some());
    assert!(store.finish(&worker("fma"), &released, 1, &Ending::Released).await);
    let later = 10 + LEASE_US + PATIENCE_US + 1;
    assert!(store.claim_with("plain", later).await.is_none());
    for job in [&job, &released] {
        let ended = store.job(job).await;
        assert_eq!(ended.state, JobState::Failed);
        let error = ended.error.unwrap();
        assert!(
            error.contains("arithmetic fma") && error.contains("this one has plain"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_cancelled_job_of_another_arithmetic_ends() {
    let store = Store::new().await;
    let job = store.queued("j").await;
    assert!(store.claim_with("fma", 10).await.is_some());
    jobs::request_cancel(&store.db, &job, 11).await.unwrap();
    assert!(store.claim_with("plain", 10 + 2 * LEASE_US).await.is_none());
    assert_eq!(store.job(&job).await.state, JobState::Cancelled);
}
