//! The error answers that the rules above do not lead to: they come when a test asks for them.

use glacier_emulator::{Action, Fault};

use crate::client::Request;
use crate::rule::{Group, Rule};
use crate::scene::Scene;

pub(crate) const GROUP: Group = Group {
    title: "Error answers on demand",
    rules: &[
        Rule::refuses(
            "an error answer is a JSON document with `code`, `message` and `type`: `Client` below 500, `Server` above",
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
        Rule::refuses(
            "an answer on the way may be no document of the service's",
            "L",
            &[
                |s| {
                    s.emulator.add_fault(Fault::new(Action::status(400)));
                    let answer = s.send(&Request::list_uploads(""));
                    assert_eq!((answer.status, answer.body.len(), answer.header("content-type")), (400, 0, None));
                },
                |s| {
                    s.emulator.add_fault(Fault::new(Action::Status {
                        status: 502,
                        body: Some("<html>Bad Gateway</html>".to_owned()),
                        content_type: Some("text/html".to_owned()),
                        headers: Vec::new(),
                    }));
                    let answer = s.send(&Request::list_uploads(""));
                    assert_eq!((answer.status, answer.header("content-type")), (502, Some("text/html")));
                },
            ],
        ),
    ],
};

fn scripted(s: &mut Scene, status: u16, code: &str, message: &str) {
    s.emulator.add_fault(Fault::new(Action::error(status, code, message)));
    s.refused(&Request::list_uploads(""), status, code, message);
}
