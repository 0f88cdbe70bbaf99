//! `sanderling check`: what it says of sound and of damaged directories, and that a start agrees.

use crate::support::ask::Ask;
use crate::support::data::{copy_files, edit, name, position, segments, snapshots};
use crate::support::process::{self, Ended, Process, free_port};
use crate::support::sanderling::Sanderling;
use sanderling::base::random::Random;
use sanderling::persist::directory;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

const FLAGS: [&str; 4] = ["--save", "", "--enable-debug-command", "yes"];

fn check(directory: &Path) -> Ended {
    process::run(&["check", directory.to_str().unwrap()])
}

fn repair(directory: &Path) -> Ended {
    process::run(&["check", directory.to_str().unwrap(), "--repair"])
}

/// The line of the report that is about a file.
fn line_of<'a>(ended: &'a Ended, name: &str) -> &'a str {
    let mut lines = ended.stdout.lines();
    lines.find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {ended:?}"))
}

fn verdict(ended: &Ended) -> &str {
    ended.stdout.lines().last().unwrap_or_default()
}

/// A directory with two snapshots and the segments after each: blocks that prove the ones before them
/// durable, and a log that ends in order.
fn closed() -> TempDir {
    let directory = tempdir().unwrap();
    let server = Sanderling::start_in(directory.path(), &FLAGS);
    let mut client = server.client();
    for round in 1..=2 {
        assert_eq!(client.say(&format!("DEBUG POPULATE 50 round{round}")), "+OK");
        for n in 0..5 {
            client.say(&format!("SET key:{round}:{n} value EX 100000"));
            assert_eq!(client.say("WAITAOF 1 0 0"), "[ :1, :0 ]");
        }
        assert_eq!(client.say("SAVE"), "+OK");
    }
    for n in 0..5 {
        client.say(&format!("SET last:{n} value"));
        assert_eq!(client.say("WAITAOF 1 0 0"), "[ :1, :0 ]");
    }
    drop(server);
    directory
}

/// The same as a server that was killed would leave it: nothing says where the log ends.
fn open() -> TempDir {
    let directory = closed();
    let server = Sanderling::start_in(directory.path(), &FLAGS);
    let mut client = server.client();
    for n in 0..5 {
        client.say(&format!("SET more:{n} value"));
        assert_eq!(client.say("WAITAOF 1 0 0"), "[ :1, :0 ]");
    }
    let copy = copy_of(directory.path());
    drop(server);
    copy
}

fn copy_of(directory: &Path) -> TempDir {
    copy_files(directory).expect("it can be copied")
}

/// Starts a server that is to refuse.
fn refusal(directory: &Path) -> String {
    let port = free_port().to_string();
    let data = directory.to_str().unwrap();
    let ended = process::run(&["--port", &port, "--data-dir", data]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    ended.stderr.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_sound_directory_is_described_file_by_file_and_left_as_it_is() {
    let directory = closed();
    let before = contents(directory.path());
    let ended = check(directory.path());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let manifest = line_of(&ended, "manifest");
    assert!(manifest.contains("2 snapshots, 2 segments, the log ends at lsn "), "{manifest}");
    for file in snapshots(directory.path()) {
        let line = line_of(&ended, name(&file));
        let bytes = file.metadata().unwrap().len();
        assert!(line.contains(&format!("{bytes} bytes, 1 sections, ")), "{line}");
        assert!(line.ends_with("keys: sound"), "{line}");
    }
    let last = segments(directory.path()).pop().unwrap();
    let line = line_of(&ended, name(&last));
    // Each block selects its database.
    assert!(line.contains("5 blocks, 10 commands, lsn ") && line.ends_with(": sound"), "{line}");
    let expected = "sound: 110 keys in the newest snapshot, and 10 commands logged after it";
    assert_eq!(verdict(&ended), expected);
    assert_eq!(ended.stdout.lines().count(), 6, "{}", ended.stdout);
    assert_eq!(contents(directory.path()), before);
}

fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.map(|path| (path.clone(), fs::read(&path).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn a_torn_end_is_measured_repaired_and_then_sound_for_a_start_too() {
    let directory = open();
    let last = segments(directory.path()).pop().unwrap();
    assert_eq!(check(directory.path()).code, Some(0), "an open end is sound");
    let whole = fs::read(&last).unwrap();
    let block = whole.len() - b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n".len();
    edit(&last, |bytes| bytes.truncate(block));
    let torn = check(directory.path());
    assert_eq!(torn.code, Some(1), "{torn:?}");
    let line = line_of(&torn, name(&last)).to_owned();
    let offset: usize =
        line.split("torn at offset ").nth(1).unwrap().split(':').next().unwrap().parse().unwrap();
    assert!(whole[offset..].starts_with(b"#"), "a block begins at {offset}");
    assert!(line.contains(&format!("the last {} bytes", block - offset)), "{line}");
    assert!(verdict(&torn).starts_with("torn: ") && verdict(&torn).contains("--repair"));
    assert_eq!(fs::metadata(&last).unwrap().len(), block as u64, "checking changes nothing");

    let repaired = repair(directory.path());
    assert_eq!(repaired.code, Some(0), "{repaired:?}");
    let expected = format!(
        "repaired: {} bytes were cut off {} at offset {offset}; sound: ",
        block - offset,
        name(&last)
    );
    assert!(verdict(&repaired).starts_with(&expected), "{}", verdict(&repaired));
    assert_eq!(fs::read(&last).unwrap(), whole[..offset]);
    assert_eq!(check(directory.path()).code, Some(0));
    let server = Process::start(directory.path(), &FLAGS);
    let mut client = server.client();
    assert_eq!(client.say("EXISTS more:0 more:3 more:4"), ":2", "the last block is gone");
    assert!(!server.log().contains("cut off"), "there is nothing left to cut: {}", server.log());
}

/// What is done to a directory, the file that is to be named, and what is to be said of it.
type Harm = (&'static str, fn(&Path) -> PathBuf, &'static str);

const HARMS: [Harm; 11] = [
    (
        "a byte of the newest snapshot is another one",
        |directory| {
            let file = snapshots(directory).pop().unwrap();
            edit(&file, |bytes| {
                let at = position(bytes, "SET");
                bytes[at + 5] ^= 1;
            });
            file
        },
        "DAMAGED: section 1, line 3: the checksum",
    ),
    (
        "the newest snapshot is cut off",
        |directory| {
            let file = snapshots(directory).pop().unwrap();
            edit(&file, |bytes| bytes.truncate(300));
            file
        },
        "the file ends in this section",
    ),
    (
        "all snapshots are gone",
        |directory| {
            let files = snapshots(directory);
            files.iter().for_each(|file| fs::remove_file(file).unwrap());
            files[0].clone()
        },
        "DAMAGED: it is missing",
    ),
    (
        "a byte of a block is another one",
        |directory| {
            let file = segments(directory).pop().unwrap();
            edit(&file, |bytes| {
                let at = position(bytes, "last:1");
                bytes[at] ^= 1;
            });
            file
        },
        "the checksum of this block is wrong",
    ),
    (
        "the first line of a segment is another one",
        |directory| {
            let file = segments(directory).pop().unwrap();
            edit(&file, |bytes| bytes[0] = b'!');
            file
        },
        "DAMAGED: offset 0: it does not begin with the first line of a segment",
    ),
    (
        "a segment is gone",
        |directory| {
            let file = segments(directory).pop().unwrap();
            fs::remove_file(&file).unwrap();
            file
        },
        "DAMAGED: it is missing",
    ),
    (
        "segments have each other's names",
        |directory| {
            let files = segments(directory);
            let aside = directory.join("aside");
            fs::rename(&files[0], &aside).unwrap();
            fs::rename(&files[1], &files[0]).unwrap();
            fs::rename(&aside, &files[1]).unwrap();
            files[1].clone()
        },
        "it says that it is segment ",
    ),
    (
        "a log that ended in order is cut off between two blocks",
        |directory| {
            let file = segments(directory).pop().unwrap();
            edit(&file, |bytes| {
                let at = bytes.windows(2).rposition(|window| window == b"\n#").unwrap();
                bytes.truncate(at + 1);
            });
            file
        },
        "but the log went on to ",
    ),
    (
        "a log that ended in order is cut off in a block",
        |directory| {
            let file = segments(directory).pop().unwrap();
            edit(&file, |bytes| bytes.truncate(bytes.len() - 1));
            file
        },
        "the file ends 1 bytes before this block does",
    ),
    (
        "a byte of the manifest is another one",
        |directory| {
            let file = directory.join("manifest");
            edit(&file, |bytes| bytes[30] ^= 1);
            file
        },
        "the checksum is wrong: the file was altered or cut off",
    ),
    (
        "the manifest is gone",
        |directory| {
            let file = directory.join("manifest");
            fs::remove_file(&file).unwrap();
            file
        },
        "DAMAGED: it is missing",
    ),
];

#[test]
fn damage_is_named_with_file_and_place_and_never_repaired() {
    let sound = closed();
    for (harm, inflict, said) in HARMS {
        let directory = copy_of(sound.path());
        let file = inflict(directory.path());
        let before = contents(directory.path());
        for ended in [check(directory.path()), repair(directory.path())] {
            assert_eq!(ended.code, Some(2), "{harm}: {ended:?}");
            let line = line_of(&ended, name(&file));
            assert!(line.contains("DAMAGED: ") && line.contains(said), "{harm}: {line}");
        }
        assert_eq!(contents(directory.path()), before, "{harm}: nothing is changed");
        let ended = check(directory.path());
        // The older snapshot and the log after it are as good as the newest snapshot.
        if harm.contains("the newest snapshot") {
            assert!(verdict(&ended).contains("a start does not need"), "{harm}: {ended:?}");
            drop(Process::start(directory.path(), &FLAGS));
        } else {
            assert!(verdict(&ended).contains("a start would refuse"), "{harm}: {ended:?}");
            refusal(directory.path());
        }
    }
}

#[test]
fn a_check_and_a_start_agree_on_every_damage() {
    let sound = open();
    let files: Vec<PathBuf> = [snapshots(sound.path()), segments(sound.path())].concat();
    let mut random = Random::seeded(7);
    let mut below = |bound: usize| (random.next_u64() % bound as u64) as usize;
    let mut outcomes = [0; 4];
    for round in 0..40 {
        let directory = copy_of(sound.path());
        let file = directory.path().join(name(&files[below(files.len())]));
        edit(&file, |bytes| match below(3) {
            0 => bytes.truncate(below(bytes.len())),
            _ => {
                let at = below(bytes.len());
                bytes[at] ^= 1 << below(8);
            }
        });
        let ended = check(directory.path());
        let code = ended.code.expect("it ends by itself");
        outcomes[code as usize] += 1;
        if verdict(&ended).contains("a start would refuse") {
            refusal(directory.path());
            continue;
        }
        let server = Process::start(directory.path(), &FLAGS);
        let was_cut = server.log().contains("they are cut off");
        assert_eq!(was_cut, code == 1, "round {round}: {ended:?}\n{}", server.log());
    }
    assert!(outcomes[1] > 0 && outcomes[2] > 0, "nothing was compared: {outcomes:?}");
}

#[test]
fn a_damaged_first_line_of_an_open_log_is_not_taken_for_a_torn_end() {
    let sound = open();
    let last = segments(sound.path()).pop().unwrap();
    let line_len = fs::read(&last).unwrap().iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for at in 0..line_len {
        let directory = copy_of(sound.path());
        let file = directory.path().join(name(&last));
        edit(&file, |bytes| bytes[at] ^= 1);
        let ended = repair(directory.path());
        // One digit of the version makes it another version.
        let is_version = at == "# sanderling log ".len();
        assert!(ended.code == Some(2) || is_version && ended.code != Some(1), "{at}: {ended:?}");
        assert_eq!(fs::metadata(&file).unwrap().len(), fs::metadata(&last).unwrap().len());
    }
}

#[test]
fn files_that_nothing_names_are_listed_and_do_no_harm() {
    let directory = closed();
    for (name, said) in [
        ("snapshot-000009.tmp", "not finished; a start removes it"),
        ("log-000001.damaged", "set aside by --recover-anyway"),
        ("snapshot-000009.txt", "the manifest does not name it"),
    ] {
        fs::write(directory.path().join(name), "something").unwrap();
        let ended = check(directory.path());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let line = line_of(&ended, name);
        assert!(line.contains("9 bytes: left over: ") && line.contains(said), "{line}");
    }
}

#[test]
fn what_a_newer_version_wrote_is_not_called_damaged() {
    let sound = closed();
    for (file, line) in [
        ("manifest", "# sanderling manifest 2\n"),
        (name(&snapshots(sound.path())[1]), "# sanderling snapshot 2\n"),
        (name(&segments(sound.path())[1]), "# sanderling log 2\n"),
    ] {
        let directory = copy_of(sound.path());
        fs::write(directory.path().join(file), line).unwrap();
        let ended = check(directory.path());
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(line_of(&ended, file).contains("newer than this server"), "{ended:?}");
    }
}

#[test]
fn a_directory_of_snapshots_alone_needs_no_manifest() {
    let directory = closed();
    fs::remove_file(directory.path().join("manifest")).unwrap();
    segments(directory.path()).iter().for_each(|file| fs::remove_file(file).unwrap());
    let ended = check(directory.path());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(verdict(&ended).starts_with("sound: 110 keys"), "{ended:?}");
}

#[test]
fn a_directory_in_use_may_be_checked_but_not_repaired() {
    let directory = open();
    let last = segments(directory.path()).pop().unwrap();
    edit(&last, |bytes| bytes.truncate(bytes.len() - 1));
    let lock = directory::lock(directory.path()).unwrap();
    let ended = check(directory.path());
    assert_eq!(ended.code, Some(0), "its last block may be just being written: {ended:?}");
    assert!(ended.stdout.starts_with("a server uses this directory"), "{ended:?}");
    let before = contents(directory.path());
    let ended = repair(directory.path());
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("in use by a server"), "{}", ended.stderr);
    assert_eq!(contents(directory.path()), before);
    drop(lock);
    assert_eq!(repair(directory.path()).code, Some(0));
}

#[test]
fn a_running_server_can_be_checked_again_and_again() {
    let directory = tempdir().unwrap();
    let server = Sanderling::start_in(directory.path(), &["--save", "", "--snapshot-keep", "1"]);
    let mut client = server.client();
    for n in 0..20 {
        client.say(&format!("SET key{n} value"));
        assert_eq!(client.say("SAVE"), "+OK");
        let ended = check(directory.path());
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

#[test]
fn what_cannot_be_checked_has_an_exit_code_of_its_own_and_one_line() {
    let directory = tempdir().unwrap();
    let empty = directory.path().to_str().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let cases = [
        (vec!["check"], "DATA-DIR"),
        (vec!["check", "a", "b"], "'b'"),
        (vec!["check", empty, "--port", "1"], "--port"),
        (vec!["check", "/no/such/directory"], "/no/such/directory"),
        (vec!["check", file.to_str().unwrap()], "file"),
        (vec!["check", empty], "--data-dir"),
        (vec!["check", empty, "--repair"], "--data-dir"),
    ];
    for (args, named) in cases {
        let ended = process::run(&args);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{args:?}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(named), "{args:?}: {}", ended.stderr);
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no lock is left behind");
    let help = process::run(&["check", "--help"]);
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("Exit codes: ") && help.stdout.contains("--repair"));
    assert!(process::run(&["--help"]).stdout.contains("Check the files of a data directory"));
}
