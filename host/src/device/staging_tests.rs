use super::*;

/// Executes a plan on host memory full of garbage.
fn execute(specs: &[BufferSpec], plan: &UploadPlan<'_>) -> Vec<Vec<u8>> {
    let mut memory: Vec<Vec<u8>> = specs.iter().map(|spec| vec![0xAA; buffer_bytes(spec) as usize]).collect();
    for clear in &plan.clears {
        let (from, to) = (clear.offset as usize, (clear.offset + clear.bytes) as usize);
        assert!(clear.offset % 4 == 0 && clear.bytes % 4 == 0);
        assert!(memory[clear.buffer][from..to].iter().all(|byte| *byte == 0xAA), "cleared twice");
        memory[clear.buffer][from..to].fill(0);
    }
    for chunk in &plan.chunks {
        assert!(chunk.bytes <= plan.chunk_bytes && chunk.bytes % 4 == 0);
        let mut mapped = vec![0xBB; chunk.bytes as usize];
        for (block, bytes) in mapped.chunks_mut(40).enumerate() {
            chunk.write(block as u64 * 40, WriteOnly::from_mut(bytes));
        }
        for copy in &chunk.copies {
            assert!(copy.from % 4 == 0 && copy.to % 4 == 0 && copy.bytes % 4 == 0);
            let source = &mapped[copy.from as usize..(copy.from + copy.bytes) as usize];
            memory[copy.buffer][copy.to as usize..(copy.to + copy.bytes) as usize].copy_from_slice(source);
        }
    }
    memory
}

/// What must be there: the pieces, and zeros.
fn expected(spec: &BufferSpec) -> Vec<u8> {
    let mut bytes = vec![0; buffer_bytes(spec) as usize];
    if let BufferInit::Upload(pieces) = &spec.init {
        for (offset, piece) in pieces {
            let offset = *offset as usize;
            bytes[offset..offset + piece.len()].copy_from_slice(piece);
        }
    }
    bytes
}

fn spec(bytes: u64, pieces: &[(u64, usize)]) -> BufferSpec {
    let piece = |(offset, len): &(u64, usize)| {
        let bytes: Vec<u8> = (0..*len).map(|at| (at as u64 * 7 + offset + 1) as u8).collect();
        (*offset, Buffer::from_vec(bytes))
    };
    let init = if pieces.is_empty() {
        BufferInit::Zero
    } else {
        BufferInit::Upload(pieces.iter().map(piece).collect())
    };
    BufferSpec { label: "b".into(), bytes, init }
}

#[test]
fn every_byte_is_a_piece_or_zero_whatever_the_chunks() {
    let specs = [
        spec(0, &[]),
        spec(1_000, &[]),
        spec(7, &[(0, 7)]),
        // Out of order, ragged lengths, gaps small and large, a piece across many chunks.
        spec(60_000, &[(40_000, 9_001), (0, 5), (8, 3), (12, 0), (16, 2_000), (49_004, 1)]),
        spec(20_000, &[(12_000, 8_000)]),
        spec(4_000, &[(0, 4_000)]),
    ];
    for chunk_bytes in [64, 256, 1_000, 4_096, 1 << 20] {
        let plan = UploadPlan::with_chunks(&specs, chunk_bytes);
        let memory = execute(&specs, &plan);
        for (spec, bytes) in specs.iter().zip(&memory) {
            assert!(*bytes == expected(spec), "chunks of {chunk_bytes}");
        }
    }
}

#[test]
fn adjacent_pieces_become_one_copy() {
    let specs = [spec(1_024, &[(0, 100), (100, 400), (512, 512)])];
    let plan = UploadPlan::new(&specs);
    assert_eq!(plan.chunks.len(), 1);
    assert_eq!(plan.chunks[0].copies, [ChunkCopy { from: 0, buffer: 0, to: 0, bytes: 1_024 }]);
    assert!(plan.clears.is_empty());
}

#[test]
fn large_uploads_take_large_chunks() {
    let specs = [spec(3 << 20, &[(4, (2 << 20) + 3), ((2 << 20) + 64, 1 << 19)])];
    let plan = UploadPlan::new(&specs);
    assert_eq!(plan.chunk_bytes, CHUNK_BYTES);
    assert!(execute(&specs, &plan)[0] == expected(&specs[0]));
}
