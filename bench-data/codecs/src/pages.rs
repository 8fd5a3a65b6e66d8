//! Pages of 1 MiB as columns make them.

const PAGE: usize = 1 << 20;

/// Name and bytes.
pub fn pages() -> Vec<(&'static str, Vec<u8>)> {
    let mut random = Random(5);
    vec![
        ("i64 < 1M", numbers(&mut random)),
        ("indices", indices(&mut random)),
        ("words", words(&mut random)),
        ("letters", letters(&mut random)),
    ]
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * limit as u128) >> 64) as usize
    }

    /// Small numbers more often.
    fn skewed(&mut self, limit: usize) -> usize {
        self.below(limit) * self.below(limit) / limit
    }

    fn letter(&mut self) -> u8 {
        const LETTERS: &[u8] = b"eeeeettaaoinshrdlucmfwypvbgk/0123";
        LETTERS[self.below(LETTERS.len())]
    }
}

/// Plain 64-bit numbers below a million.
fn numbers(random: &mut Random) -> Vec<u8> {
    (0..PAGE / 8).flat_map(|_| (random.below(1_000_000) as u64).to_le_bytes()).collect()
}

/// Dictionary indices of 8 bits, the first more often, in short stretches.
fn indices(random: &mut Random) -> Vec<u8> {
    fill(|page| {
        let index = random.skewed(200) as u8;
        page.extend(std::iter::repeat_n(index, 1 + random.below(4)));
    })
}

/// Plain strings of 2 to 7 words out of 2000.
fn words(random: &mut Random) -> Vec<u8> {
    let word = |random: &mut Random| (0..3 + random.below(9)).map(|_| random.letter()).collect();
    let vocabulary: Vec<Vec<u8>> = (0..2000).map(|_| word(random)).collect();
    fill(|page| {
        let words: Vec<&[u8]> = (0..2 + random.below(6)).map(|_| &*vocabulary[random.skewed(2000)]).collect();
        push(page, &words.join(&b' '));
    })
}

/// Plain strings of 10 to 40 random letters.
fn letters(random: &mut Random) -> Vec<u8> {
    fill(|page| {
        let text: Vec<u8> = (0..10 + random.below(31)).map(|_| random.letter()).collect();
        push(page, &text);
    })
}

fn push(page: &mut Vec<u8>, text: &[u8]) {
    page.extend((text.len() as u32).to_le_bytes());
    page.extend(text);
}

fn fill(mut more: impl FnMut(&mut Vec<u8>)) -> Vec<u8> {
    let mut page = Vec::with_capacity(PAGE + 256);
    while page.len() < PAGE {
        more(&mut page);
    }
    page.truncate(PAGE);
    page
}
