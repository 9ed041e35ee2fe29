//! `rehead admin …`: accounts and tokens, straight on the database, for whoever may read and write it anyway.
//!
//! The way in when there is no account yet, when the last admin is locked out, and for scripts that set up a server.

use std::io::Read as _;

use clap::{Args, Subcommand};
use domain::api::people::IssuedToken;
use domain::ids::UserId;
use domain::names::{ProjectName, UserName};
use domain::people::{Password, Role};

use crate::auth::{links, passwords, tokens};
use crate::clock::Clock;
use crate::config::StorageConfig;
use crate::db::users::Account;
use crate::db::{self, Db, DbError};
use crate::error::ApiError;
use crate::ids::new_id;

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the address where the first account is made; good once, for 24 hours.
    SetupLink {
        /// Where the rows are.
        #[command(flatten)]
        storage: StorageConfig,
        /// The server's address, before the link.
        #[command(flatten)]
        server: ServerAddress,
    },
    /// Make an account, or change one; without --password-stdin print a one-time link where its person chooses a password.
    User {
        /// Where the rows are.
        #[command(flatten)]
        storage: StorageConfig,
        /// The server's address, before the link.
        #[command(flatten)]
        server: ServerAddress,
        /// What the account is.
        #[command(flatten)]
        account: AccountOptions,
        /// Read the password from standard input, one line.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Disable an account and end its sessions; `admin user NAME` enables it again.
    Disable {
        /// Where the rows are.
        #[command(flatten)]
        storage: StorageConfig,
        /// Whose.
        #[arg(value_name = "NAME")]
        user: UserName,
    },
    /// Make a token of somebody's and print it; an earlier one of the same name is good no more.
    Token {
        /// Where the rows are.
        #[command(flatten)]
        storage: StorageConfig,
        /// Whose.
        #[arg(value_name = "NAME")]
        user: UserName,
        /// What it is for.
        #[arg(long = "name", value_name = "LABEL")]
        label: String,
        /// Days that it is good for.
        #[arg(long, default_value_t = tokens::DEFAULT_DAYS, value_name = "N")]
        days: u32,
    },
}

/// Where browsers find the server.
#[derive(Clone, Debug, Args)]
pub struct ServerAddress {
    /// Where browsers find the server.
    #[arg(
        long = "server",
        env = "REHEAD_SERVER",
        default_value = "http://127.0.0.1:3000",
        value_name = "URL"
    )]
    pub url: String,
}

/// What an account shall be.
#[derive(Clone, Debug, Args)]
pub struct AccountOptions {
    /// Its name.
    #[arg(value_name = "NAME")]
    pub name: UserName,
    /// Its role in the project.
    #[arg(long)]
    pub role: Option<Role>,
    /// The project.
    #[arg(long, default_value = domain::api::DEFAULT_PROJECT, value_name = "NAME")]
    pub project: ProjectName,
    /// May do everything in every project.
    #[arg(long)]
    pub global_admin: bool,
}

/// Why an account could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The database cannot be opened, or says no.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The data folder cannot be made.
    #[error("cannot make the data folder: {0}")]
    Folder(std::io::Error),
    /// No password came.
    #[error("cannot read the password from standard input: {0}")]
    Stdin(std::io::Error),
    /// What was asked makes no sense.
    #[error("{0}")]
    Refused(String),
}

impl From<ApiError> for AdminError {
    fn from(error: ApiError) -> Self {
        Self::Refused(error.sentence())
    }
}

/// Runs a command to its end. What it makes goes to standard output alone on a line, so that a script can take it.
///
/// # Errors
/// Says what is in the way.
pub async fn run(command: Command) -> Result<(), AdminError> {
    let clock = Clock::system();
    match command {
        Command::SetupLink { storage, server } => {
            let path = setup_link(&open(&storage).await?, &clock).await?;
            println!("{}", server.link(&path));
        }
        Command::User {
            storage,
            server,
            account,
            password_stdin,
        } => {
            let password = password_stdin.then(read_password).transpose()?;
            let db = open(&storage).await?;
            match user(&db, &clock, &account, password.as_ref()).await? {
                Some(path) => {
                    eprintln!("{} chooses a password here, once, within 24 hours:", account.name);
                    println!("{}", server.link(&path));
                }
                None => eprintln!("{} can sign in", account.name),
            }
        }
        Command::Disable { storage, user } => {
            let db = open(&storage).await?;
            let account = named(&db, &user).await?;
            db::users::set_disabled(&db, &account.id, Some(clock.now_us())).await?;
            eprintln!("{user} can no longer sign in");
        }
        Command::Token {
            storage,
            user,
            label,
            days,
        } => {
            let issued = token(&open(&storage).await?, &clock, &user, &label, days).await?;
            println!("{}", issued.secret);
        }
    }
    Ok(())
}

impl ServerAddress {
    fn link(&self, path: &str) -> String {
        format!("{}{path}", self.url.trim_end_matches('/'))
    }
}

async fn open(storage: &StorageConfig) -> Result<Db, AdminError> {
    std::fs::create_dir_all(&storage.data).map_err(AdminError::Folder)?;
    Ok(Db::connect(&storage.database_url()).await?)
}

fn read_password() -> Result<Password, AdminError> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(AdminError::Stdin)?;
    Ok(Password::new(text.trim_end_matches(['\r', '\n'])))
}

/// The path of a link that makes the first account.
///
/// # Errors
/// There is an account already, or the database says no.
pub async fn setup_link(db: &Db, clock: &Clock) -> Result<String, AdminError> {
    if db::users::exist(db).await? {
        return Err(AdminError::Refused(
            "there are accounts already; `rehead admin user NAME --global-admin` makes one that may do everything"
                .to_owned(),
        ));
    }
    Ok(links::issue(db, clock, None).await?)
}

/// Makes an account or changes the one of that name, and enables it. With a password sets it; without one, the path of a
/// link by which the person does.
///
/// # Errors
/// There is no such project, the password cannot be taken, or the database says no.
pub async fn user(
    db: &Db,
    clock: &Clock,
    options: &AccountOptions,
    password: Option<&Password>,
) -> Result<Option<String>, AdminError> {
    let existing = db::users::by_name(db, &options.name).await?;
    if existing.is_none() && options.role.is_none() && !options.global_admin {
        return Err(AdminError::Refused(format!(
            "a new account that may do nothing is of no use; give {} a --role, or --global-admin",
            options.name
        )));
    }
    let project = db::projects::find(db, clock, &options.project).await?;
    let project = project.ok_or_else(|| AdminError::Refused(format!("there is no project {}", options.project)))?;
    let hash = match password {
        Some(password) => Some(hashed(&options.name, password)?),
        None => None,
    };
    let id = match existing {
        Some(account) => account.id,
        None => made(db, clock, options).await?,
    };
    db::users::set_disabled(db, &id, None).await?;
    if options.global_admin {
        db::users::make_admin(db, &id).await?;
    }
    if let Some(role) = options.role {
        db::users::grant(db, &id, &project.id, role, clock.now_us()).await?;
    }
    match hash {
        Some(hash) => {
            db::users::set_password(db, &id, &hash, clock.now_us()).await?;
            Ok(None)
        }
        None => Ok(Some(links::issue(db, clock, Some(&id)).await?)),
    }
}

fn hashed(name: &UserName, password: &Password) -> Result<String, AdminError> {
    let weak = password.check(name).err();
    match weak {
        Some(weak) => Err(AdminError::Refused(weak.to_string())),
        None => Ok(passwords::hash(password)?),
    }
}

async fn made(db: &Db, clock: &Clock, options: &AccountOptions) -> Result<UserId, AdminError> {
    let account = Account {
        id: UserId(new_id(clock)),
        name: options.name.clone(),
        is_admin: options.global_admin,
        password_hash: None,
        created_us: clock.now_us(),
        disabled_us: None,
    };
    if db::users::insert(db, &account, None).await? {
        Ok(account.id)
    } else {
        // Somebody made it at the same moment.
        Ok(named(db, &options.name).await?.id)
    }
}

/// Makes a token of somebody's, instead of an earlier one of the same name.
///
/// # Errors
/// There is no such account, the name or the days make no sense, or the database says no.
pub async fn token(db: &Db, clock: &Clock, user: &UserName, label: &str, days: u32) -> Result<IssuedToken, AdminError> {
    let account = named(db, user).await?;
    db::tokens::revoke_named(db, &account.id, label.trim(), clock.now_us()).await?;
    Ok(tokens::issue(db, clock, &account.id, label, Some(days)).await?)
}

async fn named(db: &Db, name: &UserName) -> Result<Account, AdminError> {
    let account = db::users::by_name(db, name).await?;
    account.ok_or_else(|| {
        AdminError::Refused(format!(
            "there is no account {name}; `rehead admin user {name} --role ROLE` makes one"
        ))
    })
}
