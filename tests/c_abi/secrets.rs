//! Copies of secrets in the memory of a process: none after all handles are freed.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use glacier_emulator::{Emulator, Options};
use tempfile::TempDir;

use crate::harness::{Build, Outcome, Program, succeed};

const TOKEN: &str = "FwoGZXIvYXdzEJr//////////wEaDPq+3kZ1Gm5SZ0x9yyLRAaBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789+/AbCdEfGh==";

#[test]
fn wipes_set_credentials() {
    check_copies("key");
}

#[test]
fn wipes_provided_credentials() {
    check_copies("provider");
}

/// The environment has one copy before and after.
#[test]
fn wipes_copies_of_environment_credentials() {
    check_copies("environment");
}

fn check_copies(mode: &str) {
    let program = Program::c("tests/c/secrets_in_memory.c", Build::Plain);
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for tls in [false, true] {
        let options = Options { tls, session_token: Some(TOKEN.to_owned()), ..Options::default() };
        let glacier = Emulator::start(options.clone()).unwrap();
        let ca_file = directory.path().join("ca.pem");
        std::fs::write(&ca_file, glacier.ca_pem().unwrap_or_default()).unwrap();
        let mut command = program.command_at(&glacier);
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        // Without this, the dynamic linker saves vector registers on the stack at the first call of a function.
        command.env("LD_BIND_NOW", "1").env("KEY_ID", &options.access_key);
        command.env("SECRET", inverted(&options.secret_key)).env("TOKEN", inverted(TOKEN));
        if mode == "environment" {
            command.env("AWS_ACCESS_KEY_ID", &options.access_key).env("AWS_SECRET_ACCESS_KEY", &options.secret_key);
            command.env("AWS_SESSION_TOKEN", TOKEN);
        }
        let outcome = succeed(command.arg(if tls { ca_file.as_os_str() } else { "-".as_ref() }).arg(mode));
        program.print_checks(&outcome);
        println!("{mode}, TLS {tls}: {}", outcome.stdout);
        let own = if mode == "environment" { [1, 1] } else { [0, 0] };
        assert_eq!(counts(&outcome, "before"), own, "the copies of the program");
        let [secrets, tokens] = counts(&outcome, "alive");
        assert!(secrets > own[0] && tokens > own[1], "the search finds the copies of a living client: {outcome:?}");
        assert_eq!(counts(&outcome, "freed"), own, "{outcome:?}");
    }
}

/// Returns the number of copies of the secret key and of the token.
fn counts(outcome: &Outcome, when: &str) -> [u64; 2] {
    let counts: Vec<_> = outcome.value(when).split(' ').map(|count| count.parse().unwrap()).collect();
    counts.try_into().unwrap()
}

fn inverted(secret: &str) -> OsString {
    OsString::from_vec(secret.bytes().map(|byte| !byte).collect())
}
