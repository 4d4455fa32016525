//! The command line.

mod connection;
mod given;
mod state;
mod transfer;
mod values;
mod variables;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use self::connection::ConnectionArgs;
pub(crate) use self::given::{PROXY_USER, given_options};
pub(crate) use self::state::StateArgs;
pub(crate) use self::transfer::TransferArgs;
use self::values::{parse_archive_size, parse_description, parse_upload_id, parse_vault, path};
pub(crate) use self::variables::{with_safe_variables, without_variables};
use crate::hyphens::parse_text;
use crate::size::{count_in, parse_part_size, parse_time};

/// The text after the help and in the manual page.
const AFTER_HELP: &str = "\
Exit status:
  0  everything was done
  1  something failed, and there is nothing to resume
  2  the command line is invalid
  3  an upload is unfinished: the command that is printed resumes it
  4  the outcome of an upload is unknown: its archive may exist

Uploads are recorded in $XDG_STATE_HOME/glacier-mp, by default ~/.local/state/glacier-mp. The same command resumes an upload \
that was interrupted. Finished archives are listed in the catalog archives.jsonl in that directory.";

/// Uploads archives to Amazon Glacier vaults.
///
/// Uploads are parallel and resumable. Each finished archive is recorded in a local catalog.
#[derive(Debug, Parser)]
#[command(name = "glacier-mp", version, after_help = AFTER_HELP, max_term_width = 100, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Upload files or standard input, each as one archive
    ///
    /// Prints one line for each archive: its ID, two spaces, its source. The same command resumes an upload that was
    /// interrupted.
    Upload(UploadArgs),
    /// Resume unfinished uploads
    ///
    /// Without files, resumes all unfinished uploads that the state directory records for this endpoint and account. With
    /// --upload-id, resumes the upload of a file that was moved, or an upload that another machine began. The bytes of a moved
    /// file are compared with the stored parts, and another file is rejected. An upload of another machine needs
    /// the same bytes in FILE: stored parts that differ are replaced without an error.
    Resume(ResumeArgs),
    /// List the multipart uploads in progress in a vault
    ///
    /// Prints one line for each upload: its ID, the time of its initiation, its part size and its description. The service
    /// does not tell how much was uploaded: glacier-mp parts lists that.
    List(ListArgs),
    /// List the parts of an upload that the service holds
    ///
    /// Prints one line for each part: its tree hash, and its offset and length in bytes.
    Parts(PartsArgs),
    /// Abort uploads: delete their parts at the service
    Abort(AbortArgs),
    /// Print the tree hashes of files
    Treehash(TreehashArgs),
    /// Print part size, part count and memory of an upload, without sending anything
    Plan(PlanArgs),
    /// Print each setting and where it comes from, without secrets
    Config(ConfigArgs),
    /// Search the catalog of finished archives
    ///
    /// Prints one line for each archive: its ID, the time of its record, its vault, its size, its source, and its description
    /// if that is not the name of the file.
    Archives(ArchivesArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages into a directory
    #[command(hide = true)]
    Man {
        /// The directory
        #[arg(value_parser = path())]
        directory: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(crate) struct UploadArgs {
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// The files to upload; - is standard input
    #[arg(required = true, value_name = "FILE", value_parser = path())]
    pub(crate) files: Vec<PathBuf>,
    /// The description that the vault keeps with the archive, by default the name of the file
    ///
    /// At most 1024 printable ASCII characters. Other characters of a file name are percent-encoded.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = parse_description)]
    pub(crate) description: Option<String>,
    /// The part size: a power of two from 1M to 4G
    ///
    /// The default is the smallest size from 16M that needs at most 10,000 parts, and 64M if the size is not known.
    #[arg(long, value_name = "SIZE", value_parser = parse_part_size)]
    pub(crate) part_size: Option<u64>,
    /// Start again: abort the unfinished uploads of these files, and replace journals of archives
    #[arg(long)]
    pub(crate) restart: bool,
    /// The expected size of standard input, which chooses the part size
    #[arg(long, value_name = "SIZE", value_parser = parse_archive_size)]
    pub(crate) expected_size: Option<u64>,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ResumeArgs {
    /// The vault, by default each vault that a journal names
    #[arg(
        long,
        value_name = "VAULT",
        env = "GLACIER_MP_VAULT",
        allow_hyphen_values = true,
        value_parser = parse_vault
    )]
    pub(crate) vault: Option<String>,
    /// The files whose uploads are resumed; - is standard input
    #[arg(value_name = "FILE", value_parser = path())]
    pub(crate) files: Vec<PathBuf>,
    /// The ID of the upload to resume, which needs one FILE
    #[arg(long, value_name = "ID", allow_hyphen_values = true, value_parser = parse_upload_id)]
    pub(crate) upload_id: Option<String>,
    /// List the unfinished uploads that the state directory records, of all vaults, and send nothing
    #[arg(long, conflicts_with_all = ["files", "upload_id"])]
    pub(crate) list: bool,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// List only uploads that were initiated at least this long ago, such as 7d
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = parse_time)]
    pub(crate) older_than: Option<Duration>,
    /// Print one JSON object for each upload
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Args, Debug)]
pub(crate) struct PartsArgs {
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// The upload ID
    #[arg(allow_hyphen_values = true, value_name = "UPLOAD_ID", value_parser = parse_upload_id)]
    pub(crate) id: String,
    /// Print one JSON object for each part
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Args, Debug)]
pub(crate) struct AbortArgs {
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// The upload IDs
    #[arg(value_name = "UPLOAD_ID", value_parser = parse_upload_id,
        required_unless_present = "older_than", conflicts_with = "older_than")]
    pub(crate) ids: Vec<String>,
    /// Abort all uploads in the vault that were initiated at least this long ago, such as 7d
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = parse_time)]
    pub(crate) older_than: Option<Duration>,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Args, Debug)]
pub(crate) struct TreehashArgs {
    /// The files; - is standard input
    #[arg(required = true, value_name = "FILE", value_parser = path())]
    pub(crate) files: Vec<PathBuf>,
    /// The number of threads; 0 means one per core
    #[arg(long, value_name = "COUNT", default_value_t = 0, value_parser = count_in(0..=u32::MAX))]
    pub(crate) threads: u32,
    /// Print one JSON object for each file
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    /// The file to plan for
    #[arg(required_unless_present = "size", conflicts_with = "size", allow_hyphen_values = true, value_name = "FILE",
        value_parser = path())]
    pub(crate) file: Option<PathBuf>,
    /// The archive size, instead of a file
    #[arg(long, value_name = "SIZE", value_parser = parse_archive_size)]
    pub(crate) size: Option<u64>,
    /// The part size: a power of two from 1M to 4G
    #[arg(long, value_name = "SIZE", value_parser = parse_part_size)]
    pub(crate) part_size: Option<u64>,
    /// The number of parts in flight
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = count_in(1..=32))]
    pub(crate) concurrency: u32,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// Print one JSON object for each setting
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ArchivesArgs {
    /// Print only archives whose description, source, archive ID or tree hash contains this text
    #[arg(allow_hyphen_values = true, value_name = "TEXT", value_parser = parse_text)]
    pub(crate) text: Option<String>,
    /// Print only archives in this vault
    #[arg(long, value_name = "VAULT", allow_hyphen_values = true, value_parser = parse_text)]
    pub(crate) vault: Option<String>,
    /// Print only archives that were finished at most this long ago, such as 7d
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = parse_time)]
    pub(crate) newer_than: Option<Duration>,
    /// Print one JSON object for each archive, with the fields of the catalog
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Args, Debug)]
pub(crate) struct VaultArgs {
    /// The vault
    #[arg(long = "vault", value_name = "VAULT", env = "GLACIER_MP_VAULT", allow_hyphen_values = true, value_parser = parse_vault)]
    pub(crate) name: String,
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// An ID in the place of each option that takes a text or a path. Numbers and rates reject it.
    #[test]
    fn accepts_ids_as_the_value_of_every_option() {
        let id = "-hGj3WZerNPYabcdefghijklmnop_-x";
        let mut accepted = Vec::new();
        for command in Cli::command().get_subcommands() {
            for option in command.get_arguments().filter(|option| option.get_action().takes_values()) {
                let Some(long) = option.get_long() else { continue };
                let mut words = vec!["glacier-mp".to_owned(), command.get_name().to_owned()];
                words.extend([format!("--{long}"), id.to_owned()]);
                if long != "vault" && command.get_arguments().any(|option| option.get_long() == Some("vault")) {
                    words.push("--vault=v".to_owned());
                }
                words.extend(
                    command.get_positionals().filter(|option| option.is_required_set()).map(|_| "f".to_owned()),
                );
                let parsed = Cli::try_parse_from(crate::hyphens::mark_ids(words.iter().map(OsString::from)));
                match parsed.map_err(|error| error.kind()) {
                    Ok(cli) => {
                        assert!(format!("{cli:?}").contains(id), "{words:?}");
                        assert!(!format!("{cli:?}").contains(&format!("\\u{{1}}{id}")), "{words:?}");
                        accepted.push(long.to_owned());
                    }
                    Err(clap::error::ErrorKind::ValueValidation | clap::error::ErrorKind::MissingRequiredArgument) => {}
                    Err(kind) => panic!("{words:?}: {kind}"),
                }
            }
        }
        for option in ["vault", "description", "upload-id", "journal", "limit-file", "profile", "state-dir", "ca-file"]
        {
            assert!(accepted.iter().any(|long| long == option), "{option}: {accepted:?}");
        }
    }

    #[test]
    fn accepts_ids_that_begin_with_a_hyphen() {
        let id = "-hGj3WZerNPYabcdefghijklmnop_-x";
        let parse = |words: &[&str]| {
            Cli::try_parse_from(crate::hyphens::mark_ids(words.iter().map(OsString::from))).unwrap().command
        };
        let Command::Parts(parts) = parse(&["glacier-mp", "parts", "--vault", "v", id]) else { panic!() };
        assert_eq!(parts.id, id);
        let Command::Abort(abort) = parse(&["glacier-mp", "abort", id, "--vault=v", "--yes", "--", "-short"]) else {
            panic!()
        };
        assert_eq!(abort.ids, [id, "-short"]);
        for words in [["--upload-id", id].as_slice(), &[&format!("--upload-id={id}")]] {
            let words = [&["glacier-mp", "resume", "--vault", "v"], words, &["file"]].concat();
            let Command::Resume(resume) = parse(&words) else { panic!() };
            assert_eq!((resume.upload_id.as_deref(), resume.files), (Some(id), vec![PathBuf::from("file")]));
        }
        let Command::Resume(resume) = parse(&["glacier-mp", "resume", "--list"]) else { panic!() };
        assert!(resume.list, "a list of all vaults needs no vault");
        let Command::Archives(archives) = parse(&["glacier-mp", "archives", id]) else { panic!() };
        assert_eq!(archives.text.as_deref(), Some(id));
        let Command::Upload(upload) = parse(&["glacier-mp", "upload", "--vault", "v", "--", id, "-"]) else { panic!() };
        assert_eq!(upload.files, [PathBuf::from(id), PathBuf::from("-")]);
    }
}
