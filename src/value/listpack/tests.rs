//! Encodings, and changes against a vector.

use proptest::prelude::*;

use super::*;

fn words(pack: &Listpack) -> Vec<Vec<u8>> {
    pack.iter().map(|element| element.to_vec()).collect()
}

#[test]
fn elements_of_every_encoding_read_back_from_both_ends() {
    let mut pack = Listpack::new();
    let long = [&b"x"[..]; 70_000].concat();
    let texts = ["", "a", "007", "-0", "9223372036854775808", "+1"];
    let mut expected: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    expected.extend([63, 64, 127, 128, 4095, 4096, 70_000].map(|len| long[..len].to_vec()));
    for bits in 0..64 {
        let number = i64::MIN >> bits;
        expected.extend([number, !number, number + 1].map(|n| n.to_string().into_bytes()));
    }
    for value in &expected {
        let before = pack.byte_len();
        pack.push_back(value);
        assert_eq!(pack.byte_len() - before, encoded_size(value));
    }
    assert_eq!(words(&pack), expected);
    let mut backwards: Vec<_> = pack.iter().rev().map(|element| element.to_vec()).collect();
    backwards.reverse();
    assert_eq!(backwards, expected);
    assert_eq!(Listpack::from_encoded(pack.encoded()), Some(pack));
}

#[test]
fn redis_encodes_these_elements_as_these_bytes() {
    let mut pack = Listpack::new();
    for value in ["a", "1", "-1", "4095", "32767", "8388607", "hello"] {
        pack.push_back(value.as_bytes());
    }
    let expected: &[u8] = b"\x81a\x02\x01\x01\xdf\xff\x02\xcf\xff\x02\xf1\xff\x7f\x03\
                            \xf2\xff\xff\x7f\x04\x85hello\x06";
    assert_eq!(pack.encoded(), expected);
}

#[test]
fn what_was_not_encoded_in_the_shortest_way_is_found() {
    let pack = Listpack::from_encoded(b"\xe0\x01a\x03\xf1\x05\x00\x03\x817\x02\x81b\x02").unwrap();
    assert_eq!(words(&pack), [b"a", b"5", b"7", b"b"]);
    for (number, value) in [b"a", b"5", b"7", b"b"].into_iter().enumerate() {
        assert_eq!(pack.find(value, 0, 1).map(|found| found.0), Some(number));
    }
    assert_eq!(pack.encoded(), b"\x81a\x02\x05\x01\x07\x01\x81b\x02");
}

#[test]
fn damaged_elements_are_refused() {
    let mut pack = Listpack::new();
    pack.push_back(b"hello");
    pack.push_back(b"100000");
    let good = pack.encoded().to_vec();
    for end in (1..good.len()).filter(|end| *end != 7) {
        assert_eq!(Listpack::from_encoded(&good[..end]), None, "cut at {end}");
    }
    let mut wrong_back_len = good.clone();
    wrong_back_len[6] = 5;
    assert_eq!(Listpack::from_encoded(&wrong_back_len), None);
    assert_eq!(Listpack::from_encoded(&[0xf5, 1]), None);
    assert_eq!(Listpack::from_encoded(&[END]), None);
}

#[test]
fn finding_skips_what_is_between_steps() {
    let mut pack = Listpack::new();
    ["a", "1", "1", "2", "b", "a"].iter().for_each(|value| pack.push_back(value.as_bytes()));
    assert_eq!(pack.find(b"1", 0, 2), Some((1, pack.place(2).unwrap())));
    assert_eq!(pack.find(b"a", pack.place(1).unwrap(), 1), Some((4, pack.place(5).unwrap())));
    assert_eq!(pack.find(b"a", pack.place(2).unwrap(), 2), None);
    assert_eq!(pack.place(6), Some(pack.byte_len()));
    assert_eq!(pack.place(7), None);
}

proptest! {
    #[test]
    fn changes_are_those_of_a_vector(
        steps in prop::collection::vec((0u8..5, 0usize..50, "[0-9]{0,5}|[a-z]{0,80}"), 1..200)
    ) {
        let (mut pack, mut model) = (Listpack::new(), Vec::<Vec<u8>>::new());
        for (step, number, text) in steps {
            let value = text.into_bytes();
            let index = number % (model.len() + 1);
            let place = pack.place(index).unwrap();
            match step {
                0 | 1 => {
                    pack.insert(place, &value);
                    model.insert(index, value);
                }
                2 if index < model.len() => {
                    pack.replace(place, &value);
                    model[index] = value;
                }
                3 => {
                    let count = number % 3;
                    let end = (index + count).min(model.len());
                    prop_assert_eq!(pack.remove(place, count), end - index);
                    model.drain(index..end);
                }
                4 if number % 2 == 0 => {
                    let keep = |it: &[u8]| it.len() % 3 != number % 3;
                    pack.retain(|element| element.with_bytes(keep));
                    model.retain(|value| keep(value));
                }
                4 => {
                    let tail = pack.split_off(place, index);
                    prop_assert_eq!(words(&tail), &model[index..]);
                    pack.append(&tail);
                }
                _ => pack.push_back(&value),
            }
            if step == 2 && model.len() < pack.len() {
                model.push(pack.get(index).unwrap().to_vec());
            }
            prop_assert_eq!(pack.len(), model.len());
            prop_assert_eq!(words(&pack), model.clone());
            prop_assert!(Listpack::from_encoded(pack.encoded()).is_some());
        }
    }
}
