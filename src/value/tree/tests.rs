//! The tree against `BTreeMap`, and its own invariants after every change.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::branch::{FANOUT, Node, head};
use super::leaf::LEAF_MAX;
use super::*;
use crate::base::random::Random;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Checks a node, whose keys are within the bounds; returns its depth.
fn check_node(node: &Node, low: &[u8], high: Option<&[u8]>) -> usize {
    assert!(node.count() > 0, "no node is empty");
    let branch = match node {
        Node::Leaf(leaf) => {
            let keys: Vec<&[u8]> = leaf.pairs().map(|(key, _)| key).collect();
            assert!(keys.is_sorted_by(|a, b| a < b), "keys rise");
            assert!(keys[0] >= low && high.is_none_or(|high| *keys.last().unwrap() < high));
            assert!(keys.len() == 1 || leaf.needed() <= LEAF_MAX, "{} bytes", leaf.needed());
            assert!(leaf.heap_bytes() <= leaf.needed() + leaf.needed() / 2 + 32);
            return 1;
        }
        Node::Branch(branch) => branch,
    };
    assert!(branch.len() <= FANOUT && branch.slots()[0].separator.is_empty());
    let mut depths = Vec::new();
    for (index, slot) in branch.slots().iter().enumerate() {
        let low = if index == 0 { low } else { &slot.separator[..] };
        let next = branch.slots().get(index + 1).map(|slot| &slot.separator[..]);
        assert_eq!(branch.count_of(index), slot.child.count());
        assert_eq!(branch.bounds(index, (0, 0)).0, head(&slot.separator));
        depths.push(check_node(&slot.child, low, next.or(high)));
    }
    assert!(depths.windows(2).all(|pair| pair[0] == pair[1]), "all leaves are equally deep");
    depths[0] + 1
}

fn check(tree: &Tree) {
    assert_eq!(tree.heap_bytes(), tree.root.total_heap_bytes());
    assert_eq!(tree.len(), tree.root.count());
    if !tree.is_empty() {
        check_node(&tree.root, b"", None);
    }
    if let Node::Branch(branch) = &tree.root {
        assert!(branch.len() > 1);
    }
}

fn assert_equal(tree: &Tree, model: &Model) {
    let pairs = model.iter().map(|(key, value)| (&key[..], &value[..]));
    assert!(tree.iter().eq(pairs.clone()), "forwards");
    assert!(tree.iter().rev().eq(pairs.rev()), "backwards");
}

fn number(n: usize) -> [u8; 4] {
    (n as u32).to_be_bytes()
}

#[test]
fn an_empty_tree_has_nothing() {
    let mut tree = Tree::new();
    assert!(tree.is_empty() && tree.get(b"").is_none() && tree.at(0).is_none());
    assert!(!tree.remove(b"x"));
    tree.remove_range(0..10);
    assert_eq!((tree.iter().count(), tree.rank(b"x")), (0, 0));
    check(&tree);
}

#[test]
fn ascending_and_descending_keys_leave_full_leaves() {
    for is_ascending in [true, false] {
        let mut tree = Tree::new();
        for n in 0..200_000 {
            let n = if is_ascending { n } else { 200_000 - n };
            assert!(tree.insert(&number(n), &[7; 6]));
        }
        check(&tree);
        let per_entry = tree.heap_bytes() as f64 / tree.len() as f64;
        assert!(per_entry < 12.6, "{per_entry} bytes for an entry of 12 with its start");
    }
}

#[test]
fn memory_follows_the_content_down_as_well_as_up() {
    let (mut tree, mut random) = (Tree::new(), Random::seeded(1));
    let keys: Vec<[u8; 8]> = (0..100_000).map(|_| random.next_u64().to_be_bytes()).collect();
    keys.iter().for_each(|key| assert!(tree.insert(key, b"")));
    let per_entry = tree.heap_bytes() as f64 / tree.len() as f64;
    assert!(per_entry < 11.6, "{per_entry} bytes for an entry of 10 with its start");
    keys[..95_000].iter().for_each(|key| assert!(tree.remove(key)));
    check(&tree);
    let per_entry = tree.heap_bytes() as f64 / tree.len() as f64;
    assert!(per_entry < 14.0, "{per_entry} bytes for an entry that was left");
}

#[test]
fn ranks_and_entries_lead_to_each_other() {
    let mut tree = Tree::new();
    (0..50_000).for_each(|n| assert!(tree.insert(&number(n * 2), &number(n))));
    for n in (0..50_000).step_by(97) {
        assert_eq!(tree.at(n), Some((&number(n * 2)[..], &number(n)[..])));
        assert_eq!(tree.rank(&number(n * 2)), n);
        assert_eq!(tree.rank(&number(n * 2 + 1)), n + 1);
    }
    assert_eq!(tree.at(50_000), None);
    let middle: Vec<_> = tree.range(1_000..1_003).map(|(_, value)| value.to_vec()).collect();
    assert_eq!(middle, [number(1_000), number(1_001), number(1_002)]);
    assert_eq!(tree.range(49_990..70_000).len(), 10);
    assert_eq!(tree.range(60_000..70_000).len(), 0);
    let mut both = tree.range(10..20);
    both.next();
    both.next_back();
    assert_eq!(both.nth(3), Some((&number(28)[..], &number(14)[..])));
    assert_eq!(both.map(|(_, value)| value[3]).collect::<Vec<_>>(), [15, 16, 17, 18]);
}

#[test]
fn large_entries_between_small_ones_have_leaves_of_their_own() {
    let (mut tree, mut model) = (Tree::new(), Model::new());
    for n in 0..600 {
        let len = if n % 3 == 0 { 70_000 } else { n % 40 };
        let (key, value) = (number(n * 7 % 600).to_vec(), vec![n as u8; len]);
        tree.insert(&key, &value);
        model.insert(key, value);
    }
    check(&tree);
    assert_equal(&tree, &model);
    for n in 0..600 {
        tree.insert(&number(n), b"");
        check(&tree);
    }
    assert!(tree.iter().all(|(_, value)| value.is_empty()));
    for n in 0..600 {
        assert!(tree.remove(&number(n)));
        check(&tree);
    }
}

#[test]
fn a_clone_keeps_its_content_and_shares_what_is_not_changed() {
    let mut tree = Tree::new();
    (0..100_000).for_each(|n| assert!(tree.insert(&number(n), &number(n))));
    let clone = tree.clone();
    (0..100_000).step_by(1_000).for_each(|n| assert!(!tree.insert(&number(n), b"changed")));
    (1..100_000).step_by(1_000).for_each(|n| assert!(tree.remove(&number(n))));
    check(&tree);
    check(&clone);
    assert!(clone.iter().enumerate().all(|(n, pair)| pair == (&number(n), &number(n))));
    assert_eq!(tree.get(&number(5_000)), Some(&b"changed"[..]));
    assert_eq!(tree.get(&number(5_001)), None);
}

/// How keys of a run look.
fn key_of(style: u8, n: u16) -> Vec<u8> {
    match style {
        0 => n.to_be_bytes().to_vec(),
        1 => format!("a long prefix that all keys share:{n}").into_bytes(),
        // Prefixes of each other, and zeros at the end, which heads cannot tell apart.
        2 => vec![0; usize::from(n % 600)],
        _ => [&b"k"[..], &vec![b'x'; usize::from(n % 300)], &n.to_le_bytes()].concat(),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u16, u16),
    Remove(u16),
    RemoveRange(u16, u16),
    Clone,
    Ascend(u16, u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (any::<u16>(), 0u16..40).prop_map(|(n, len)| Step::Insert(n, len)),
        1 => (any::<u16>(), 0u16..9_000).prop_map(|(n, len)| Step::Insert(n, len)),
        4 => any::<u16>().prop_map(Step::Remove),
        1 => (any::<u16>(), any::<u16>()).prop_map(|(a, b)| Step::RemoveRange(a, b)),
        1 => Just(Step::Clone),
        3 => (any::<u16>(), 0u16..2_000).prop_map(|(n, count)| Step::Ascend(n, count)),
    ];
    prop::collection::vec(step, 1..60)
}

fn remove_ranks(tree: &mut Tree, model: &mut Model, start: usize, len: usize) {
    tree.remove_range(start..start + len);
    let gone: Vec<_> = model.keys().skip(start).take(len).cloned().collect();
    gone.iter().for_each(|key| drop(model.remove(key)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn changes_are_those_of_a_map(style in 0u8..4, fixed in any::<bool>(), steps in steps()) {
        let (mut tree, mut model) = (Tree::new(), Model::new());
        let mut clones = Vec::new();
        for step in steps {
            match step {
                Step::Insert(n, len) => {
                    let len = if fixed { 8 } else { len.into() };
                    let (key, value) = (key_of(style, n), vec![n as u8; len]);
                    prop_assert_eq!(tree.insert(&key, &value), !model.contains_key(&key));
                    prop_assert_eq!(tree.get(&key), Some(&value[..]));
                    model.insert(key, value);
                }
                Step::Ascend(from, count) => for n in from..from.saturating_add(count) {
                    let (key, value) = (key_of(style, n), vec![n as u8; 8]);
                    tree.insert(&key, &value);
                    model.insert(key, value);
                },
                Step::Remove(n) => {
                    let near = key_of(style, n);
                    let key = model.range(near.clone()..).next().map_or(near, |(key, _)| key.clone());
                    prop_assert_eq!(tree.rank(&key), model.range(..key.clone()).count());
                    prop_assert_eq!(tree.remove(&key), model.remove(&key).is_some());
                    prop_assert_eq!(tree.get(&key), None);
                }
                Step::RemoveRange(a, b) => {
                    let start = usize::from(a) % (model.len() + 1);
                    let len = usize::from(b) % (model.len() - start + 1);
                    remove_ranks(&mut tree, &mut model, start, len);
                }
                Step::Clone => clones.push((tree.clone(), model.clone())),
            }
            check(&tree);
        }
        assert_equal(&tree, &model);
        for (tree, model) in &clones {
            check(tree);
            assert_equal(tree, model);
        }
    }
}
