//! Where the password of `--password` without a value comes from: the environment, else a person
//! at a terminal, else chance. A secret on the command line is visible to every user of the machine
//! while the server runs; these are not.

use std::env::{self, VarError};
use std::fmt;
use std::io::{self, IsTerminal};

use super::error::StartError;
use super::flags::PasswordSource;
use crate::base::random::Random;

const VARIABLE: &str = "SANDERLING_PASSWORD";
/// In hexadecimal digits; 128 bits cannot be guessed.
const GENERATED_DIGITS: usize = 32;

/// A password, and what to tell the operator on standard error, if anything.
pub struct Password {
    pub secret: String,
    pub notice: Option<String>,
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

/// Asks a person for a line that is not shown.
pub type Prompt<'a> = &'a mut dyn FnMut() -> io::Result<String>;

/// Finds the password in this process's surroundings; `None` if the flags do not mention one.
pub fn find(source: &PasswordSource, random: &mut Random) -> Result<Option<Password>, StartError> {
    let mut ask = || rpassword::prompt_password("Password for clients: ");
    let prompt: Option<Prompt<'_>> = if io::stdin().is_terminal() { Some(&mut ask) } else { None };
    let environment = match env::var(VARIABLE) {
        Ok(secret) => Some(secret),
        Err(VarError::NotPresent) => None,
        Err(VarError::NotUnicode(_)) => {
            return Err(StartError::Password(format!("{VARIABLE} is not valid UTF-8")));
        }
    };
    resolve(source, environment, prompt, random)
}

/// The same with the surroundings as parameters: the environment's value, and a prompt if there is
/// a terminal.
pub fn resolve(
    source: &PasswordSource,
    environment: Option<String>,
    prompt: Option<Prompt<'_>>,
    random: &mut Random,
) -> Result<Option<Password>, StartError> {
    let quiet = |secret| Password { secret, notice: None };
    Ok(match source {
        PasswordSource::None => None,
        PasswordSource::Given(secret) => Some(quiet(secret.clone())),
        PasswordSource::Ask => {
            Some(match (environment.filter(|secret| !secret.is_empty()), prompt) {
                (Some(secret), _) => quiet(secret),
                (None, Some(ask)) => quiet(ask_for_one(ask)?),
                (None, None) => generate(random),
            })
        }
    })
}

fn ask_for_one(ask: Prompt<'_>) -> Result<String, StartError> {
    let secret = ask().map_err(|error| StartError::Password(error.to_string()))?;
    if secret.is_empty() {
        let problem = format!("nothing was entered; set {VARIABLE} or leave --password away");
        return Err(StartError::Password(problem));
    }
    Ok(secret)
}

fn generate(random: &mut Random) -> Password {
    let secret = random.hex(GENERATED_DIGITS);
    let notice = format!("generated password: {secret} (set {VARIABLE} to choose one)");
    Password { secret, notice: Some(notice) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(environment: Option<&str>, entered: Option<&str>) -> Result<Password, String> {
        let mut prompt = || Ok(entered.expect("only asked if there is a terminal").to_owned());
        let prompt: Option<Prompt<'_>> = if entered.is_some() { Some(&mut prompt) } else { None };
        let environment = environment.map(str::to_owned);
        resolve(&PasswordSource::Ask, environment, prompt, &mut Random::seeded(1))
            .map(|password| password.expect("one was asked for"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_the_flag_there_is_none() {
        let environment = Some("ignored".to_owned());
        let found = resolve(&PasswordSource::None, environment, None, &mut Random::seeded(1));
        assert!(found.unwrap().is_none());
    }

    #[test]
    fn a_given_one_wins() {
        let source = PasswordSource::Given("a".to_owned());
        let found = resolve(&source, Some("b".to_owned()), None, &mut Random::seeded(1));
        assert_eq!(found.unwrap().unwrap().secret, "a");
    }

    #[test]
    fn the_environment_comes_before_the_terminal() {
        assert_eq!(ask(Some("env"), Some("typed")).unwrap().secret, "env");
        assert_eq!(ask(Some(""), Some("typed")).unwrap().secret, "typed");
        assert!(ask(None, Some("")).unwrap_err().contains("nothing was entered"));
    }

    #[test]
    fn without_both_one_is_generated_and_told() {
        let password = ask(None, None).unwrap();
        assert_eq!(password.secret.len(), GENERATED_DIGITS);
        assert!(password.notice.as_ref().unwrap().contains(&password.secret));
        assert!(!format!("{password:?}").contains(&password.secret));
    }
}
