//! The store as a whole: what views see, what a cut keeps, what a panic leaves.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use super::record::RECORD_MAX;
use super::*;
use crate::base::sync::assert_may_wait;
use crate::value::list::{End, ListLimits};
use crate::value::{List, Value};

const NOW_MS: i64 = 1_000_000;

/// As the server has them for lists.
const LIST_LIMITS: i64 = -2;

fn keyspace() -> Keyspace {
    Keyspace::new(4, 16, 4, [7; 16])
}

fn view<'a>(keyspace: &'a Keyspace, db: usize, now_ms: i64) -> View<'a> {
    let access = Access { tracking: Tracking::Lru, now_ms: 0, touches: true, random: 0 };
    let wants = Wants { events: true, log: true, touched: true };
    View::new(keyspace, db, now_ms, access, wants)
}

/// Runs `work` on one key, locked for writing.
fn with<R>(
    keyspace: &Keyspace,
    db: usize,
    key: &[u8],
    work: impl FnOnce(&mut View<'_>, &Key<'_>) -> R,
) -> R {
    let mut view = view(keyspace, db, NOW_MS);
    view.lock(&[DeclaredKey { bytes: key, db, arg: 0 }], Mode::Write).expect("nothing is poisoned");
    let key = view.key_at(0).expect("the key is declared");
    work(&mut view, &key)
}

fn put(keyspace: &Keyspace, db: usize, key: &[u8], value: &[u8], deadline: Deadline) {
    with(keyspace, db, key, |view, key| {
        view.put_string(key, string_ref(value), deadline, event::SET)
    });
}

/// A view that has locked one key for writing.
fn locked<'a>(keyspace: &'a Keyspace, key: &'static [u8]) -> View<'a> {
    let mut view = view(keyspace, 1, NOW_MS);
    view.lock(&[DeclaredKey { bytes: key, db: 1, arg: 1 }], Mode::Write).expect("it is sound");
    view
}

#[test]
fn a_view_reaches_further_keys_behind_wider_locks_and_can_still_change_its_own() {
    let keyspace = keyspace();
    let names: Vec<Vec<u8>> = (0..40).map(|n| format!("name{n}").into_bytes()).collect();
    names.iter().for_each(|name| put(&keyspace, 1, name, name, Deadline::Clear));
    for count in [0, 1, 2, 40] {
        let mut view = locked(&keyspace, b"own");
        let mut reach = view.reach();
        names[..count].iter().for_each(|name| reach.add(name));
        if !view.covers(&reach) {
            view.widen(&reach).expect("it is sound");
        }
        assert!(view.covers(&reach));
        for name in &names[..count] {
            let key = view.reached(name).expect("its shard is held");
            assert_eq!(view.peek(&key).map(|entry| bytes_of(entry.value())).as_ref(), Some(name));
        }
        let own = view.key_at(1).expect("it is declared still");
        view.put_string(&own, string_ref(b"v"), Deadline::Clear, event::SET);
        assert!(view.remove(&own, event::DEL));
    }
    let mut view = locked(&keyspace, b"own");
    let mut all = view.reach();
    names.iter().for_each(|name| all.add(name));
    assert!(!view.covers(&all));
    all.add_all();
    view.widen(&all).expect("it is sound");
    assert!(names.iter().all(|name| view.reached(name).is_ok()));
}

#[test]
fn a_damaged_shard_is_not_reached() {
    let keyspace = keyspace();
    let panicking = AssertUnwindSafe(|| with(&keyspace, 1, b"damaged", |_, _| panic!("a bug")));
    catch_unwind(panicking).expect_err("it panics");
    let mut view = locked(&keyspace, b"own");
    let mut reach = view.reach();
    reach.add(b"damaged");
    assert_eq!(view.widen(&reach), Err(Poisoned));
}

type State = BTreeMap<(usize, Vec<u8>), (Vec<u8>, Option<i64>)>;

fn bytes_of(value: ValueRef<'_>) -> Vec<u8> {
    match value {
        ValueRef::Integer(number) => number.to_string().into_bytes(),
        ValueRef::Short { bytes, .. } => bytes.to_vec(),
        ValueRef::Object(Value::String { bytes, .. }) => bytes.to_vec(),
        ValueRef::Object(Value::List(list)) => list.iter().flat_map(|it| it.to_vec()).collect(),
        ValueRef::Object(_) => unreachable!("these tests store strings and lists"),
    }
}

fn state(keyspace: &Keyspace) -> State {
    let mut all = State::new();
    for db in 0..keyspace.databases() {
        let mut view = view(keyspace, db, 0);
        view.for_each(|entry| {
            all.insert((db, entry.key().to_vec()), (bytes_of(entry.value()), entry.deadline()));
        })
        .expect("nothing is poisoned");
    }
    all
}

#[test]
fn an_entry_is_gone_from_its_deadline_on() {
    let keyspace = keyspace();
    put(&keyspace, 0, b"k", b"v", Deadline::At(NOW_MS + 10));
    let seen_at = |now_ms| {
        let mut view = view(&keyspace, 0, now_ms);
        view.lock(&[DeclaredKey { bytes: b"k", db: 0, arg: 0 }], Mode::Read).unwrap();
        let key = view.key_at(0).unwrap();
        view.read(&key).is_some()
    };
    assert!(seen_at(NOW_MS + 9));
    assert!(!seen_at(NOW_MS + 10));
    assert_eq!(keyspace.counts(0), DatabaseCounts { keys: 1, volatile: 1 });
    let shard = keyspace.due_shards(NOW_MS + 10).0;
    let mut reaping = view(&keyspace, 0, NOW_MS + 10);
    assert_eq!(reaping.expire_due(shard[0].0, shard[0].1, 100, |_| ()), Ok(1));
    assert_eq!(reaping.effects.events[0].kind, event::EXPIRED);
    assert_eq!(reaping.effects.removals.len(), 1);
    assert_eq!(keyspace.counts(0), DatabaseCounts::default());
}

#[test]
fn values_change_their_form_and_keep_their_deadline() {
    let keyspace = keyspace();
    let long = vec![b'x'; 2 * RECORD_MAX];
    // With key, deadline and head, the last record and the first object.
    let (record, object) = (&long[..RECORD_MAX - 13], &long[..RECORD_MAX - 12]);
    let values =
        [&b"17"[..], b"short", &long, b"", record, object, &long[..490], b"-9223372036854775808"];
    for value in values {
        put(&keyspace, 0, b"k", value, Deadline::At(NOW_MS + 5));
        put(&keyspace, 0, b"k", value, Deadline::Keep);
        let expected = State::from([((0, b"k".to_vec()), (value.to_vec(), Some(NOW_MS + 5)))]);
        assert_eq!(state(&keyspace), expected);
        let is_object = with(&keyspace, 0, b"k", |view, key| {
            matches!(view.peek(key).map(|entry| entry.value()), Some(ValueRef::Object(_)))
        });
        assert_eq!(is_object, value.len() >= object.len(), "{}", value.len());
    }
    with(&keyspace, 0, b"k", |view, key| view.set_deadline(key, None, event::PERSIST));
    assert_eq!(keyspace.counts(0), DatabaseCounts { keys: 1, volatile: 0 });
}

#[test]
fn a_panic_while_writing_poisons_that_shard_only_and_a_flush_heals_it() {
    let keyspace = keyspace();
    put(&keyspace, 0, b"{a}1", b"v", Deadline::Clear);
    put(&keyspace, 0, b"{b}1", b"v", Deadline::Clear);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        with(&keyspace, 0, b"{a}1", |_, _| panic!("a bug in a handler"));
    }));
    assert!(outcome.is_err());
    let lock = |key: &[u8], mode| {
        view(&keyspace, 0, NOW_MS).lock(&[DeclaredKey { bytes: key, db: 0, arg: 0 }], mode)
    };
    assert_eq!(lock(b"{a}2", Mode::Read), Err(Poisoned));
    assert_eq!(lock(b"{a}1", Mode::Write), Err(Poisoned));
    assert_eq!(lock(b"{b}1", Mode::Write), Ok(()));
    view(&keyspace, 0, NOW_MS).flush([0], &keyspace.world());
    assert_eq!(lock(b"{a}1", Mode::Write), Ok(()));
}

#[test]
fn a_scan_sees_what_stays_exactly_once_while_others_come_and_go() {
    let keyspace = keyspace();
    let stays = |n: usize| format!("stays:{n}").into_bytes();
    (0..3_000).for_each(|n| put(&keyspace, 0, &stays(n), b"v", Deadline::Clear));
    let mut seen: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let (mut cursor, mut round) = (0, 0);
    loop {
        let mut view = view(&keyspace, 0, NOW_MS);
        cursor = view
            .scan(cursor, 10, |entry| *seen.entry(entry.key().to_vec()).or_default() += 1)
            .unwrap();
        if cursor == 0 {
            break;
        }
        for n in 0..40 {
            let key = format!("comes:{}", round * 40 + n).into_bytes();
            put(&keyspace, 0, &key, b"v", Deadline::Clear);
            if round % 3 == 2 {
                with(&keyspace, 0, &key, |view, key| view.remove(key, event::DEL));
            }
        }
        round += 1;
    }
    assert!(round > 100);
    (0..3_000).for_each(|n| assert_eq!(seen.get(&stays(n)), Some(&1), "stays:{n}"));
}

/// Something that changes the store while a cut is being read.
#[derive(Clone, Debug)]
enum Change {
    Put(usize, u8, u16, Option<i64>),
    Remove(usize, u8),
    Edit(usize, u8),
    Push(usize, u8),
    Expire(usize, u8, Option<i64>),
    Flush(usize),
    Swap(usize, usize),
    Slice,
}

fn change() -> impl Strategy<Value = Change> {
    let deadline = prop::option::of(NOW_MS + 1..NOW_MS + 100);
    let around = RECORD_MAX as u16;
    let len = prop_oneof![3 => 0..around, 1 => around - 40..around + 40];
    prop_oneof![
        6 => (0usize..4, 0u8..60, len, deadline.clone()).prop_map(|(db, key, len, at)| Change::Put(db, key, len, at)),
        3 => (0usize..4, 0u8..60).prop_map(|(db, key)| Change::Remove(db, key)),
        2 => (0usize..4, 0u8..60).prop_map(|(db, key)| Change::Edit(db, key)),
        2 => (0usize..4, 0u8..60).prop_map(|(db, key)| Change::Push(db, key)),
        2 => (0usize..4, 0u8..60, deadline).prop_map(|(db, key, at)| Change::Expire(db, key, at)),
        1 => (0usize..4).prop_map(Change::Flush),
        1 => (0usize..4, 0usize..4).prop_map(|(a, b)| Change::Swap(a, b)),
        8 => Just(Change::Slice),
    ]
}

/// Adds to the list, unless something else is there.
fn push(keyspace: &Keyspace, db: usize, name: &[u8]) {
    let limits = ListLimits::new(LIST_LIMITS);
    let _ = with(keyspace, db, name, |view, key| {
        view.edit(key, |list: &mut List, change| {
            list.push_all(End::Right, [&b"element"[..]].into_iter(), &limits);
            change.event(event::RPUSH);
        })
    });
}

fn check(keyspace: &Keyspace) {
    for db in 0..keyspace.databases() {
        keyspace.shards_if_used(db).iter().for_each(|cell| cell.lock.read().check());
    }
}

fn apply(keyspace: &Keyspace, change: &Change) {
    // Some keys are too long for a record.
    let name = |key: &u8| match key {
        ..50 => format!("key:{key}").into_bytes(),
        _ => format!("key:{key:0300}").into_bytes(),
    };
    match change {
        Change::Put(db, key, len, at) => {
            let deadline = Deadline::from(*at);
            put(keyspace, *db, &name(key), &vec![*key; usize::from(*len)], deadline);
        }
        Change::Remove(db, key) => {
            with(keyspace, *db, &name(key), |view, key| view.remove(key, event::DEL));
        }
        Change::Edit(db, key) => {
            let edit = |bytes: &mut Vec<u8>| bytes.extend_from_slice(b"edited");
            // Of a list it is not edited.
            let _ = with(keyspace, *db, &name(key), |view, key| {
                view.edit_string(key, event::APPEND, edit)
            });
        }
        Change::Push(db, key) => push(keyspace, *db, &name(key)),
        Change::Expire(db, key, at) => {
            with(keyspace, *db, &name(key), |view, key| view.set_deadline(key, *at, event::EXPIRE));
        }
        Change::Flush(db) => drop(view(keyspace, *db, NOW_MS).flush([*db], &keyspace.world())),
        Change::Swap(a, b) => view(keyspace, 0, NOW_MS).swap(*a, *b, &keyspace.world()),
        Change::Slice => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_cut_is_the_state_at_its_instant_whatever_happens_meanwhile(
        before in prop::collection::vec(change(), 0..150),
        meanwhile in prop::collection::vec(change(), 0..150),
        again in prop::collection::vec(change(), 0..50),
    ) {
        let keyspace = keyspace();
        let gate = keyspace.gate();
        before.iter().for_each(|change| apply(&keyspace, change));
        // Twice, so that nothing of the first cut leaks into the second.
        for changes in [&meanwhile, &again] {
            let expected = state(&keyspace);
            let mut found = State::new();
            let mut walk = CutWalk::begin(&keyspace, &gate, &keyspace.world());
            let slice = |walk: &mut CutWalk<'_>, found: &mut State| {
                walk.slice(|db, key, value, deadline| {
                    let old = found.insert((db, key.to_vec()), (bytes_of(value), deadline));
                    assert!(old.is_none(), "an entry is emitted once");
                })
                .expect("nothing is poisoned")
            };
            for change in changes {
                match change {
                    Change::Slice => drop(slice(&mut walk, &mut found)),
                    change => apply(&keyspace, change),
                }
            }
            while slice(&mut walk, &mut found) {}
            prop_assert_eq!(found, expected);
            check(&keyspace);
        }
    }
}

#[test]
fn what_a_shard_kept_is_read_in_slices_without_its_lock() {
    type Meanwhile = fn(&Keyspace);
    let name = |n: usize| format!("{{tag}}{n}").into_bytes();
    let count = 3_000;
    let overwrite: Meanwhile = |keyspace| {
        (0..3_000).for_each(|n| {
            put(keyspace, 0, format!("{{tag}}{n}").as_bytes(), b"new", Deadline::Clear)
        });
    };
    let flush: Meanwhile = |keyspace| {
        view(keyspace, 0, NOW_MS).flush([0], &keyspace.world());
    };
    for meanwhile in [overwrite, flush] {
        let keyspace = keyspace();
        (0..count).for_each(|n| put(&keyspace, 0, &name(n), b"old", Deadline::Clear));
        let gate = keyspace.gate();
        let mut walk = CutWalk::begin(&keyspace, &gate, &keyspace.world());
        meanwhile(&keyspace);
        let mut total = 0;
        loop {
            let mut emitted = 0;
            let goes_on = walk.slice(|_, _, value, _| {
                assert_may_wait();
                assert_eq!(bytes_of(value), b"old");
                emitted += 1;
            });
            assert!(emitted < 200, "{emitted} in one slice");
            total += emitted;
            if !goes_on.expect("nothing is poisoned") {
                break;
            }
        }
        assert_eq!(total, count);
    }
}

#[test]
fn a_second_flush_during_a_snapshot_gives_back_what_it_took_out() {
    let keyspace = keyspace();
    let gate = keyspace.gate();
    put(&keyspace, 0, b"k", b"of the cut", Deadline::Clear);
    let _walk = CutWalk::begin(&keyspace, &gate, &keyspace.world());
    for is_first in [true, false] {
        put(&keyspace, 0, b"k", b"later", Deadline::Clear);
        let mut view = view(&keyspace, 0, NOW_MS);
        view.flush([0], &keyspace.world());
        assert_eq!(view.effects.garbage.is_empty(), is_first);
    }
}

#[test]
fn a_shard_whose_size_classes_are_full_goes_on_with_objects() {
    let keyspace = Keyspace::new(1, 1, 2, [7; 16]);
    keyspace.shards_of(0)[0].lock.write().limit_chunks(1);
    let mut expected = State::new();
    for n in 0..6_000_usize {
        let key = format!("key:{}", n * 7919 % 3_000).into_bytes();
        let value = if n % 3 == 0 { n.to_string().into_bytes() } else { vec![b'v'; n % 5 * 200] };
        let at = (n % 4 == 0).then_some(NOW_MS + n as i64 + 1);
        put(&keyspace, 0, &key, &value, at.into());
        expected.insert((0, key), (value, at));
        if n % 5 == 0 {
            let key = format!("key:{}", n * 31 % 3_000).into_bytes();
            with(&keyspace, 0, &key, |view, key| {
                view.set_deadline(key, Some(NOW_MS + 9), event::EXPIRE)
            });
            expected.entry((0, key)).and_modify(|(_, at)| *at = Some(NOW_MS + 9));
        }
        if n % 7 == 0 {
            let key = format!("key:{}", n * 17 % 3_000).into_bytes();
            with(&keyspace, 0, &key, |view, key| view.remove(key, event::DEL));
            expected.remove(&(0, key));
        }
    }
    check(&keyspace);
    assert!(state(&keyspace) == expected);
    let objects = keyspace.shards_of(0)[0].lock.read().objects().len();
    assert!(objects > 1_000, "{objects}");
}

#[test]
fn the_shards_know_what_they_take() {
    let keyspace = keyspace();
    assert_eq!(keyspace.data_bytes(), 0);
    for n in 0..3_000_u32 {
        let key = (n % 700).to_string();
        let value = vec![b'v'; (n as usize * 37) % 3_500];
        match n % 5 {
            0 => drop(with(&keyspace, 0, key.as_bytes(), |view, key| view.remove(key, event::DEL))),
            1 => {
                let edit = |bytes: &mut Vec<u8>| bytes.extend_from_slice(&value);
                let edited = with(&keyspace, 0, key.as_bytes(), |view, key| {
                    view.edit_string(key, event::APPEND, edit)
                });
                assert!(edited.is_ok());
            }
            2 => put(&keyspace, 0, key.as_bytes(), &value, Deadline::At(NOW_MS + 10)),
            _ => put(&keyspace, 0, key.as_bytes(), &value, Deadline::Keep),
        }
    }
    let mut total = 0;
    for cell in keyspace.shards_if_used(0) {
        let shard = cell.lock.read();
        shard.check();
        total += shard.heap_bytes();
    }
    assert!(total > 100_000);
    assert_eq!(keyspace.data_bytes(), total);
    for n in 0..700 {
        with(&keyspace, 0, n.to_string().as_bytes(), |view, key| view.remove(key, event::DEL));
    }
    let left = keyspace.data_bytes();
    assert!(left < 16 * 4_000, "{left} bytes are left of {total}");
    let mut view = view(&keyspace, 0, NOW_MS);
    view.flush(0..1, &keyspace.world());
    assert_eq!(keyspace.data_bytes(), 0);
}

/// Two keys of one database, as a command declares them.
const TWO: [DeclaredKey<'static>; 2] = [
    DeclaredKey { bytes: b"target", db: 1, arg: 1 },
    DeclaredKey { bytes: b"source", db: 1, arg: 2 },
];

/// Copies of both, for a command that is going to write.
fn copied(keyspace: &Keyspace) -> Copies {
    let mut view = view(keyspace, 1, NOW_MS);
    view.lock(&TWO, Mode::Write).expect("it is sound");
    view.copy_declared(Mode::Write)
}

/// Writes to the copy of the target, lets others do something, and installs.
fn installed_after(keyspace: &Keyspace, others: impl FnOnce(&Keyspace)) -> (bool, Effects) {
    let copies = copied(keyspace);
    let mut view = view(keyspace, 1, NOW_MS);
    view.adopt(&TWO, &copies);
    let target = view.key_at(1).expect("it is declared");
    let long = vec![b'x'; 4000];
    view.put_string(&target, string_ref(&long), Deadline::At(NOW_MS + 50), event::SET);
    others(keyspace);
    let is_installed = view.install(&copies, NOW_MS).expect("it is sound");
    view.unlock();
    (is_installed, std::mem::take(&mut view.effects))
}

fn value_at(keyspace: &Keyspace, key: &[u8]) -> Option<Vec<u8>> {
    with(keyspace, 1, key, |view, key| view.peek(key).map(|entry| bytes_of(entry.value())))
}

#[test]
fn what_was_made_on_copies_is_installed_once_and_shared_with_nobody() {
    let keyspace = keyspace();
    put(&keyspace, 1, b"source", &[b'y'; 4000], Deadline::Clear);
    let (is_installed, effects) = installed_after(&keyspace, |_| {});
    assert!(is_installed);
    assert_eq!(effects.changes, 1);
    assert_eq!(
        effects.events.iter().map(|event| event.kind.name).collect::<Vec<_>>(),
        ["new", "set"]
    );
    assert_eq!(value_at(&keyspace, b"target"), Some(vec![b'x'; 4000]));
    for (key, deadline) in [(&b"target"[..], Some(NOW_MS + 50)), (b"source", None)] {
        with(&keyspace, 1, key, |view, key| {
            let entry = view.peek(key).expect("it is there");
            assert_eq!(entry.deadline(), deadline);
            let ValueRef::Object(Value::String { bytes, .. }) = entry.value() else {
                panic!("it is a long string")
            };
            assert_eq!(triomphe::Arc::strong_count(bytes), 1);
        });
    }
}

#[test]
fn nothing_is_installed_if_anything_that_was_declared_has_changed() {
    let long = [b'z'; 4000];
    let changes: [&dyn Fn(&Keyspace); 5] = [
        &|keyspace| put(keyspace, 1, b"source", b"other", Deadline::Clear),
        // The same bytes again are another payload.
        &|keyspace| put(keyspace, 1, b"source", &long, Deadline::Clear),
        &|keyspace| put(keyspace, 1, b"target", b"short", Deadline::Clear),
        &|keyspace| {
            with(keyspace, 1, b"source", |view, key| assert!(view.remove(key, event::DEL)));
        },
        &|keyspace| {
            with(keyspace, 1, b"source", |view, key| {
                assert!(view.set_deadline(key, Some(NOW_MS + 1), event::EXPIRE));
            });
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let keyspace = keyspace();
        put(&keyspace, 1, b"source", &long, Deadline::Clear);
        let (is_installed, effects) = installed_after(&keyspace, change);
        assert!(!is_installed, "change {number}");
        assert_eq!((effects.changes, effects.events.len()), (0, 0), "change {number}");
        let expected = (number == 2).then(|| b"short".to_vec());
        assert_eq!(value_at(&keyspace, b"target"), expected, "change {number}");
    }
}

#[test]
fn what_changed_elsewhere_in_the_same_shard_does_not_matter() {
    let keyspace = Keyspace::new(4, 1, 4, [7; 16]);
    put(&keyspace, 1, b"source", b"1", Deadline::Clear);
    let others = |keyspace: &Keyspace| put(keyspace, 1, b"third", b"2", Deadline::Clear);
    assert!(installed_after(&keyspace, others).0);
}

#[test]
fn entries_that_are_moved_together_stay_what_they_are_whatever_happens_meanwhile() {
    let keyspace = keyspace();
    let key = |n: usize| format!("key:{n}").into_bytes();
    let value = |n: usize| vec![n as u8; n * 31 % 20_000];
    let deadline = |n: usize| {
        if n.is_multiple_of(3) { Deadline::At(NOW_MS + n as i64 + 1) } else { Deadline::Clear }
    };
    let count = 1_500;
    (0..count).for_each(|n| put(&keyspace, n % 2, &key(n), &value(n), deadline(n)));
    let shared =
        with(&keyspace, 1, &key(1001), |view, key| match view.peek(key).unwrap().value() {
            ValueRef::Object(Value::String { bytes, .. }) => bytes.clone(),
            _ => panic!("it is a long string"),
        });
    let (before, bytes_before) = (state(&keyspace), keyspace.data_bytes());
    let gate = keyspace.gate();
    let (mut relocation, mut moved, mut slices) = (Relocation::default(), 0, 0);
    while let Some(bytes) = relocation.slice(&keyspace, &gate) {
        moved += bytes;
        slices += 1;
        let n = slices * 7 % 1000;
        with(&keyspace, n % 2, &key(n), |view, key| view.remove(key, event::DEL));
        put(&keyspace, n % 2, &key(n), &value(n), deadline(n));
    }
    assert!(moved > 7_000_000 && slices > 100, "{moved} bytes in {slices} slices");
    check(&keyspace);
    assert!(keyspace.data_bytes().abs_diff(bytes_before) < bytes_before / 50);
    assert!(state(&keyspace) == before);
    with(&keyspace, 1, &key(1001), |view, key| match view.peek(key).unwrap().value() {
        ValueRef::Object(Value::String { bytes, .. }) => {
            assert!(triomphe::Arc::ptr_eq(bytes, &shared), "what others hold stays where it is");
        }
        _ => panic!("it is a long string"),
    });
}
