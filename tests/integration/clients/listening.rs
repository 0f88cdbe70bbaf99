//! redis-cli that listens: subscriptions, all commands, keys that it has read.

use super::{Ask, Running, Server, client, succeed, with_each_server};

/// redis-cli with these arguments, which goes on until it is dropped.
fn listen(server: &Server, words: &[&str]) -> Option<Running> {
    Some(Running::start(client("redis-cli", server.port())?.args(words)))
}

#[test]
fn redis_cli_subscribes() {
    with_each_server(|server| {
        for protocol in ["-2", "-3"] {
            let Some(cli) = listen(server, &[protocol, "SUBSCRIBE", "news", "sport"]) else {
                return;
            };
            let (first, second): ([_; 3], [_; 3]) = (cli.lines(), cli.lines());
            assert_eq!(first, ["subscribe", "news", "1"]);
            assert_eq!(second, ["subscribe", "sport", "2"]);
            let mut asking = server.client();
            assert_eq!(asking.say("PUBLISH sport \"two words\""), ":1");
            assert_eq!(asking.say("PUBLISH news \"\""), ":1");
            assert_eq!(cli.lines(), ["message", "sport", "two words"]);
            assert_eq!(cli.lines(), ["message", "news", ""]);
            drop(cli);
            asking.say_until("PUBSUB NUMSUB news sport", |reply| {
                reply == r#"[ "news", :0, "sport", :0 ]"#
            });
        }
    });
}

#[test]
fn redis_cli_subscribes_to_patterns() {
    with_each_server(|server| {
        for protocol in ["-2", "-3"] {
            let Some(cli) = listen(server, &[protocol, "PSUBSCRIBE", "job:*"]) else { return };
            assert_eq!(cli.lines(), ["psubscribe", "job:*", "1"]);
            let mut asking = server.client();
            assert_eq!(asking.say("PUBLISH job 1"), ":0");
            assert_eq!(asking.say("PUBLISH job:7 done"), ":1");
            assert_eq!(cli.lines(), ["pmessage", "job:*", "job:7", "done"]);
            drop(cli);
            asking.say_until("PUBSUB NUMPAT", |reply| reply == ":0");
        }
    });
}

#[test]
fn redis_cli_monitors() {
    with_each_server(|server| {
        for protocol in ["-2", "-3"] {
            let Some(cli) = listen(server, &[protocol, "MONITOR"]) else { return };
            assert_eq!(cli.line(), "OK");
            let mut asking = server.client();
            assert_eq!(asking.say("SELECT 3"), "+OK");
            assert_eq!(asking.say(r#"SET k "a \"b\" \r\n\x00\xff""#), "+OK");
            let (select, set) = (cli.line(), cli.line());
            assert!(select.ends_with(r#"] "SELECT" "3""#), "{select}");
            let (time, command) = set.split_once(" [3 127.0.0.1:").expect("the database, and who");
            assert!(time.parse::<f64>().is_ok_and(|time| time > 1.7e9), "{set}");
            let (port, words) = command.split_once("] ").expect("what was asked");
            assert!(port.parse::<u16>().is_ok(), "{set}");
            assert_eq!(words, r#""SET" "k" "a \"b\" \r\n\x00\xff""#);
            drop(cli);
            asking.say_until("CLIENT LIST", |reply| !reply.contains("flags=O"));
        }
    });
}

#[test]
fn redis_cli_shows_which_of_its_keys_have_changed() {
    with_each_server(|server| {
        let Some(mut cli) = client("redis-cli", server.port()) else { return };
        // A push is printed when the reply behind it is read.
        let input = b"SET k 1\nCLIENT TRACKING ON\nGET k\nSET other 2\nSET k 3\nPING\n";
        let output = succeed(cli.args(["-3", "--show-pushes", "yes"]), input);
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(lines, ["OK", "OK", "1", "OK", "OK", "invalidate", "k", "PONG"]);
    });
}
