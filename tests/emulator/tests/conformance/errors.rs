//! Error responses that no rule above causes: a fault injects them.

use glacier_emulator::{Action, Fault};

use crate::client::Request;
use crate::fixture::Fixture;
use crate::rule::{Group, Rule};

pub(crate) const GROUP: Group = Group {
    title: "Injected errors",
    rules: &[
        Rule::refused(
            "an error response is a JSON document with `code`, `message` and `type`: `Client` below 500, `Server` from 500",
            "G, L",
            &[
                |s| scripted(s, 400, "LimitExceededException", "Too many vaults"),
                |s| scripted(s, 400, "NoLongerSupportedException", "Glacier is for existing customers only"),
                |s| scripted(s, 400, "SerializationException", "Unreadable"),
                |s| scripted(s, 400, "PolicyEnforcedException", "Not by this policy"),
                |s| scripted(s, 400, "ThrottlingException", "Rate exceeded"),
                |s| scripted(s, 408, "RequestTimeoutException", "Request timed out."),
                |s| scripted(s, 500, "ServiceUnavailableException", "Try again"),
                |s| scripted(s, 503, "InsufficientCapacityException", "Not now"),
            ],
        ),
        Rule::refused(
            "a response of an intermediary may have another format",
            "L",
            &[
                |s| {
                    s.emulator.add_fault(Fault::new(Action::status(400)));
                    let response = s.send(&Request::list_uploads(""));
                    assert_eq!((response.status, response.body.len(), response.header("content-type")), (400, 0, None));
                },
                |s| {
                    s.emulator.add_fault(Fault::new(Action::Status {
                        status: 502,
                        body: Some("<html>Bad Gateway</html>".to_owned()),
                        content_type: Some("text/html".to_owned()),
                        headers: Vec::new(),
                    }));
                    let response = s.send(&Request::list_uploads(""));
                    assert_eq!((response.status, response.header("content-type")), (502, Some("text/html")));
                },
            ],
        ),
    ],
};

fn scripted(s: &mut Fixture, status: u16, code: &str, message: &str) {
    s.emulator.add_fault(Fault::new(Action::error(status, code, message)));
    s.refused(&Request::list_uploads(""), status, code, message);
}
