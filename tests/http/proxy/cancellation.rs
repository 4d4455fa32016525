//! A cancel while a connection through a proxy is opened.

use super::{ESTABLISHED, to_hidden};
use crate::cancellation::{canceled_soon, signal};
use crate::client::{Settings, context};
use crate::server::{Peer, Server};

/// Cancels when the script begins. The script then holds the connection.
fn canceled_within(what: &str, change: impl FnOnce(&Server, Settings) -> Settings, script: fn(&mut Peer)) {
    let (send, sent) = signal();
    let proxy = Server::plain(move |peer| {
        script(peer);
        send();
        peer.hold();
    });
    let settings = change(&proxy, to_hidden(&proxy));
    canceled_soon(what, &settings, 1000, context(), |canceler| canceler.raise_at(sent));
}

#[test]
fn canceled_during_the_handshake_with_the_proxy() {
    let over_tls =
        |proxy: &Server, settings| Settings { proxy: Some(proxy.url().replace("http:", "https:")), ..settings };
    canceled_within("in the handshake with the proxy", over_tls, |peer| {
        peer.payload(10);
    });
}

#[test]
fn canceled_while_waiting_for_the_response_to_connect() {
    canceled_within(
        "while waiting for the response to CONNECT",
        |_, settings| settings,
        |peer| {
            peer.request();
        },
    );
}

#[test]
fn canceled_within_the_response_to_connect() {
    canceled_within(
        "within the response to CONNECT",
        |_, settings| settings,
        |peer| {
            peer.request();
            peer.send("HTTP/1.1 200 OK\r\nA: ");
        },
    );
}

#[test]
fn canceled_during_the_handshake_through_the_tunnel() {
    canceled_within(
        "in the handshake through the tunnel",
        |_, settings| settings,
        |peer| {
            peer.request();
            peer.send(ESTABLISHED);
            peer.payload(10);
        },
    );
}
