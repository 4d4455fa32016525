//! DescribeVault and ListVaults.

use serde_json::{Value, json};

use crate::client::{Request, VAULT};
use crate::fixture::Fixture;
use crate::rule::{Group, Rule};
use crate::{INVALID, NOT_FOUND};

const ARN: &str = "arn:aws:glacier:us-east-1:111122223333:vaults/";

pub(crate) const DESCRIBE: Group = Group {
    title: "DescribeVault",
    rules: &[
        Rule::required(
            "the vault must exist",
            "G, L",
            &[|s| {
                let vault = s.accepted(&Request::new("GET", VAULT)).json();
                assert_eq!(vault["VaultARN"], format!("{ARN}examplevault"));
                assert_eq!(vault["VaultName"], "examplevault");
                let created = vault["CreationDate"].as_str().unwrap();
                assert!(created.len() == 24 && created.ends_with('Z'), "{created}");
                let mut names: Vec<_> = vault.as_object().unwrap().keys().map(String::as_str).collect();
                names.sort_unstable();
                let modelled =
                    ["CreationDate", "LastInventoryDate", "NumberOfArchives", "SizeInBytes", "VaultARN", "VaultName"];
                assert_eq!(names, modelled);
            }],
            &[|s| s.refused(&Request::new("GET", "/-/vaults/other"), 404, NOT_FOUND, &format!("{ARN}other"))],
        ),
        Rule::provided(
            "the response has the number and total size of the archives",
            "choice: the inventory of a vault",
            &[
                |s| {
                    let vault = s.accepted(&Request::new("GET", VAULT)).json();
                    assert_eq!(counts(&vault), (0, 0));
                    assert_eq!(vault["LastInventoryDate"], Value::Null);
                },
                |s| {
                    s.accepted(&Request::archive(b"abc"));
                    s.accepted(&Request::archive(b"defgh"));
                    let vault = s.accepted(&Request::new("GET", VAULT)).json();
                    assert_eq!(counts(&vault), (2, 8));
                    assert!(vault["LastInventoryDate"].is_string(), "{vault}");
                },
            ],
        ),
    ],
};

pub(crate) const LIST: Group = Group {
    title: "ListVaults",
    rules: &[
        Rule::provided(
            "vaults are sorted by name, with the fields of DescribeVault",
            "M",
            &[|s| {
                for name in ["b", "a.1", "B"] {
                    s.accepted(&Request::new("PUT", format!("/-/vaults/{name}")));
                }
                s.accepted(&Request::archive(b"abc"));
                let described = s.client.send(&Request::new("GET", "/-/vaults/a.1")).json();
                let list = s.accepted(&Request::new("GET", "/-/vaults")).json();
                assert_eq!(names(&list), ["B", "a.1", "b", "examplevault"]);
                assert_eq!(list["VaultList"][1], described);
                assert_eq!(counts(&list["VaultList"][3]), (1, 3));
                assert_eq!(list["Marker"], Value::Null);
            }],
        ),
        Rule::refused(
            "the account must be the account of the key",
            "L",
            &[|s| s.refused(&Request::new("GET", "/999999999999/vaults"), 403, "AccessDeniedException", "")],
        ),
        Rule::provided(
            "without `limit` a page has 10 vaults; the marker is the ARN of the next vault",
            "M",
            &[
                |s| {
                    many(s);
                    let list = s.accepted(&Request::new("GET", "/-/vaults")).json();
                    assert_eq!((names(&list).len(), &list["Marker"]), (10, &json!(format!("{ARN}v10"))));
                },
                |s| {
                    many(s);
                    let list = s.accepted(&after("v10")).json();
                    assert_eq!(names(&list), ["v10", "v11"]);
                    assert_eq!(list["Marker"], Value::Null);
                },
            ],
        ),
        Rule::required(
            "`limit` is 1 to 50",
            "choice: `limit` of ListVaults",
            &[|s| {
                many(s);
                let list = s.accepted(&Request::new("GET", "/-/vaults?limit=50")).json();
                assert_eq!(names(&list).len(), 12);
            }],
            &[
                |s| s.refused(&Request::new("GET", "/-/vaults?limit=0"), 400, INVALID, "Invalid limit: 0."),
                |s| s.refused(&Request::new("GET", "/-/vaults?limit=51"), 400, INVALID, "Invalid limit: 51."),
            ],
        ),
        Rule::required(
            "a marker is the ARN of a vault",
            "choice: a marker of ListVaults",
            &[|s| {
                many(s);
                assert_eq!(names(&s.accepted(&after("v105")).json()), ["v11"]);
            }],
            &[|s| s.refused(&Request::new("GET", "/-/vaults?marker=v10"), 400, INVALID, "Invalid marker: v10")],
        ),
    ],
};

/// Starts an emulator with the vaults v00 to v11.
fn many(s: &mut Fixture) {
    s.restart(|options| options.vaults = (0..12).map(|number| format!("v{number:02}")).collect());
}

fn after(name: &str) -> Request {
    let arn = format!("{ARN}{name}").replace(':', "%3A").replace('/', "%2F");
    Request::new("GET", format!("/-/vaults?marker={arn}"))
}

fn names(list: &Value) -> Vec<&str> {
    list["VaultList"].as_array().unwrap().iter().map(|vault| vault["VaultName"].as_str().unwrap()).collect()
}

fn counts(vault: &Value) -> (u64, u64) {
    (vault["NumberOfArchives"].as_u64().unwrap(), vault["SizeInBytes"].as_u64().unwrap())
}
