//! Channels, and the append-only log of their moves.

use domain::ids::{ModelId, OverrideId, ProjectId, ReleaseId, RequestId, UserId};
use domain::names::ChannelName;
use domain::overrides::Override;
use domain::release::{Channel, Release};

use super::overrides::write_override;
use super::{Db, DbError, parse};

/// The reviewer's word that a release rests on.
#[derive(Clone, Copy, Debug)]
pub enum Word<'a> {
    /// It needs none.
    None,
    /// It was given before.
    Kept(&'a OverrideId),
    /// The publisher gives it, with this release and not without.
    Given(&'a Override),
}

/// What a move of a channel's is written with, beside the release itself.
#[derive(Clone, Copy, Debug)]
pub struct Move<'a> {
    /// What the channel pointed at when the caller looked.
    pub expected: Option<&'a ReleaseId>,
    /// Who moves it.
    pub by: Option<&'a UserId>,
    /// Whose word it rests on.
    pub word: Word<'a>,
}

/// Writes a row of the log, inside of whatever else is written with it.
macro_rules! write_release {
    ($connection:expr, $release:expr, $number:expr, $by:expr, $word:expr) => {{
        let (release, number, by, word): (&Release, i64, Option<&UserId>, Option<&OverrideId>) =
            ($release, $number, $by, $word);
        sqlx::query(
            "INSERT INTO releases (id, project, channel, number, model, previous_model, action, undoes, verdict, \
             override_reason, note, request, created_us, by_user, override_id, anchors) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        )
        .bind(&release.id.0)
        .bind(&release.project.0)
        .bind(release.channel.as_str())
        .bind(number)
        .bind(&release.model.0)
        .bind(release.previous_model.as_ref().map(|id| &id.0))
        .bind(release.action.as_str())
        .bind(release.undoes.as_ref().map(|id| &id.0))
        .bind(release.verdict.as_str())
        .bind(release.override_reason.as_deref())
        .bind(&release.note)
        .bind(release.request.as_ref().map(|id| &id.0))
        .bind(release.created_us)
        .bind(by.map(|id| &id.0))
        .bind(word.map(|id| &id.0))
        .bind(release.anchors.as_ref().map(|id| &id.0))
        .execute(&mut *$connection)
        .await?;
    }};
}

/// Moves a channel from the release that the caller saw to this one, and logs it; the release's `number` is given here.
/// None, with nothing written, where the channel points somewhere else by now.
///
/// # Errors
/// The database says no.
pub async fn publish(db: &Db, release: &Release, with: Move<'_>) -> Result<Option<Release>, DbError> {
    const CHANNEL: &str = "INSERT INTO channels (project, name) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    const SWAP: &str = "UPDATE channels SET release = $3, n_releases = n_releases + 1 \
        WHERE project = $1 AND name = $2 AND COALESCE(release, '') = $4 RETURNING n_releases";
    let Move { expected, by, word } = with;
    let number: i64 = in_transaction!(db, connection => {
        sqlx::query(CHANNEL)
            .bind(&release.project.0)
            .bind(release.channel.as_str())
            .execute(&mut *connection)
            .await?;
        let number: Option<i64> = sqlx::query_scalar(SWAP)
            .bind(&release.project.0)
            .bind(release.channel.as_str())
            .bind(&release.id.0)
            .bind(expected.map_or("", |id| id.0.as_str()))
            .fetch_optional(&mut *connection)
            .await?;
        let Some(number) = number else {
            return Ok(None);
        };
        let word = match (word, by) {
            (Word::Given(given), Some(by)) => {
                write_override!(connection, &release.project.0, given, by);
                Some(&given.id)
            }
            (Word::Kept(id), _) => Some(id),
            (Word::None | Word::Given(_), _) => None,
        };
        write_release!(connection, release, number, by, word);
        number
    });
    Ok(Some(Release {
        number,
        ..release.clone()
    }))
}

/// Releases, each with the names of who moved the channel and whose word that rests on.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT r.*, (SELECT name FROM users WHERE users.id = r.by_user) AS by_name, (SELECT u.name FROM overrides o ",
            "JOIN users u ON u.id = o.by_user WHERE o.id = r.override_id) AS override_name FROM releases r ",
            $rest
        )
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    project: String,
    channel: String,
    number: i64,
    model: String,
    previous_model: Option<String>,
    action: String,
    undoes: Option<String>,
    anchors: Option<String>,
    verdict: String,
    override_reason: Option<String>,
    note: String,
    request: Option<String>,
    created_us: i64,
    by_name: Option<String>,
    override_name: Option<String>,
}

fn release(row: Row) -> Result<Release, DbError> {
    // In rows that are older than reviewers' words, whoever published gave the reason.
    let override_name = row
        .override_name
        .or_else(|| row.override_reason.is_some().then(|| row.by_name.clone())?);
    Ok(Release {
        id: ReleaseId(row.id),
        project: ProjectId(row.project),
        channel: parse("releases.channel", &row.channel)?,
        number: row.number,
        model: ModelId(row.model),
        previous_model: row.previous_model.map(ModelId),
        action: parse("releases.action", &row.action)?,
        undoes: row.undoes.map(ReleaseId),
        anchors: row.anchors.map(ReleaseId),
        verdict: parse("releases.verdict", &row.verdict)?,
        override_reason: row.override_reason,
        override_by: override_name.map(|name| parse("users.name", &name)).transpose()?,
        note: row.note,
        request: row.request.map(RequestId),
        by: row.by_name.map(|name| parse("users.name", &name)).transpose()?,
        created_us: row.created_us,
    })
}

/// A release by its id.
///
/// # Errors
/// The database says no.
pub async fn get(db: &Db, id: &ReleaseId) -> Result<Option<Release>, DbError> {
    const SQL: &str = select!("WHERE r.id = $1");
    let row: Option<Row> = on!(db, pool => sqlx::query_as(SQL).bind(&id.0).fetch_optional(pool).await)?;
    row.map(release).transpose()
}

/// What a channel points at now.
///
/// # Errors
/// The database says no.
pub async fn current(db: &Db, project: &ProjectId, channel: &ChannelName) -> Result<Option<Release>, DbError> {
    const SQL: &str = select!("JOIN channels c ON c.release = r.id WHERE c.project = $1 AND c.name = $2");
    let row: Option<Row> =
        on!(db, pool => sqlx::query_as(SQL).bind(&project.0).bind(channel.as_str()).fetch_optional(pool).await)?;
    row.map(release).transpose()
}

/// The release that a channel's losses add up from: the pinned one, else its first; none before the first.
///
/// # Errors
/// The database says no.
pub async fn anchor(db: &Db, project: &ProjectId, channel: &ChannelName) -> Result<Option<Release>, DbError> {
    const SQL: &str = select!(
        "JOIN channels c ON c.project = r.project AND c.name = r.channel WHERE c.project = $1 AND c.name = $2 \
         AND (r.id = c.anchor OR (c.anchor IS NULL AND r.number = 1))"
    );
    let row: Option<Row> =
        on!(db, pool => sqlx::query_as(SQL).bind(&project.0).bind(channel.as_str()).fetch_optional(pool).await)?;
    row.map(release).transpose()
}

/// Moves a channel's anchor to the release that `moved` names, and logs it; the rest of what is logged is filled in here.
/// Where that is the anchor already, nothing is written. False where the channel has no such release.
///
/// # Errors
/// The database says no.
pub async fn pin_anchor(db: &Db, moved: &Release, by: Option<&UserId>) -> Result<bool, DbError> {
    // The channel's row is taken first: of two who pin at once the later one comes after the earlier one.
    const TAKE: &str = "UPDATE channels SET n_releases = n_releases + 1 WHERE project = $1 AND name = $2 \
        RETURNING n_releases";
    const BEFORE: &str = select!(
        "JOIN channels c ON c.project = r.project AND c.name = r.channel WHERE c.project = $1 AND c.name = $2 \
         AND (r.id = c.anchor OR (c.anchor IS NULL AND r.number = 1))"
    );
    const PINNED: &str = select!("WHERE r.id = $1 AND r.project = $2 AND r.channel = $3 AND r.action <> 'anchor'");
    const PIN: &str = "UPDATE channels SET anchor = $3 WHERE project = $1 AND name = $2";
    let Some(id) = &moved.anchors else {
        return Ok(false);
    };
    let (project, channel) = (&moved.project, &moved.channel);
    in_transaction!(db, connection => {
        let number: Option<i64> = sqlx::query_scalar(TAKE)
            .bind(&project.0)
            .bind(channel.as_str())
            .fetch_optional(&mut *connection)
            .await?;
        let pinned: Option<Row> = sqlx::query_as(PINNED)
            .bind(&id.0)
            .bind(&project.0)
            .bind(channel.as_str())
            .fetch_optional(&mut *connection)
            .await?;
        let (Some(number), Some(pinned)) = (number, pinned) else {
            return Ok(false);
        };
        let before: Option<Row> = sqlx::query_as(BEFORE)
            .bind(&project.0)
            .bind(channel.as_str())
            .fetch_optional(&mut *connection)
            .await?;
        if before.as_ref().is_some_and(|before| before.id == pinned.id) {
            return Ok(true);
        }
        sqlx::query(PIN)
            .bind(&project.0)
            .bind(channel.as_str())
            .bind(&id.0)
            .execute(&mut *connection)
            .await?;
        let pinned = release(pinned)?;
        let logged = Release {
            model: pinned.model,
            previous_model: before.map(|before| ModelId(before.model)),
            verdict: pinned.verdict,
            ..moved.clone()
        };
        write_release!(connection, &logged, number, by, None);
    });
    Ok(true)
}

/// The log of a project, newest first, 500 at most.
///
/// # Errors
/// The database says no.
pub async fn list(db: &Db, project: &ProjectId) -> Result<Vec<Release>, DbError> {
    const SQL: &str = select!("WHERE r.project = $1 ORDER BY r.created_us DESC, r.number DESC LIMIT 500");
    let rows: Vec<Row> = on!(db, pool => sqlx::query_as(SQL).bind(&project.0).fetch_all(pool).await)?;
    rows.into_iter().map(release).collect()
}

/// Every move of a channel, newest first. Its moves are numbered, so the order needs no clock.
///
/// # Errors
/// The database says no.
pub async fn of_channel(db: &Db, project: &ProjectId, channel: &ChannelName) -> Result<Vec<Release>, DbError> {
    const SQL: &str = select!("WHERE r.project = $1 AND r.channel = $2 ORDER BY r.number DESC");
    let rows: Vec<Row> =
        on!(db, pool => sqlx::query_as(SQL).bind(&project.0).bind(channel.as_str()).fetch_all(pool).await)?;
    rows.into_iter().map(release).collect()
}

/// The channels of a project, by name.
///
/// # Errors
/// The database says no.
pub async fn channels(db: &Db, project: &ProjectId) -> Result<Vec<Channel>, DbError> {
    const SQL: &str = "SELECT name FROM channels WHERE project = $1 ORDER BY name";
    let names: Vec<String> = on!(db, pool => sqlx::query_scalar(SQL).bind(&project.0).fetch_all(pool).await)?;
    let mut channels = Vec::with_capacity(names.len());
    for name in names {
        let name: ChannelName = parse("channels.name", &name)?;
        let current = current(db, project, &name).await?;
        let anchor = anchor(db, project, &name).await?;
        channels.push(Channel {
            project: project.clone(),
            name,
            current,
            anchor,
        });
    }
    Ok(channels)
}
