#!/usr/bin/env bash
# Whether each law can fail: breaks the code under it in one place, in a copy of the tree,
# and wants the replay of the kept inputs to fail. A law that goes on holding is a check
# that checks nothing, and fails this script. Takes minutes: each break is a build.
#
#   fuzz/controls.sh            all
#   fuzz/controls.sh LAW...     some
set -euo pipefail
cd "$(dirname "$0")/.."

build=$(realpath -m "${CARGO_TARGET_DIR:-target}")
target=$build/controls
copy=$target/tree
mkdir -p "$copy"
asked=("$@")
failed=0

# The tree as git would keep it. What is the same stays as it is, so that it is not built again.
refresh() {
    local file
    git ls-files --cached --others --exclude-standard | while IFS= read -r file; do
        cmp -s "$file" "$copy/$file" || install -D "$file" "$copy/$file"
    done
}
# What is ours without optimisation, for the inputs are few and the builds take the time;
# what is not ours as everywhere, so that it is there already.
plain=()
for crate in format patcher sim zstd engine laws; do
    plain+=(--config "profile.dev.package.deltamote-$crate.opt-level=0")
    plain+=(--config "profile.dev.package.deltamote-$crate.debug=0")
done
replay() {
    (cd "$copy" && DELTAMOTE_LAWS=$1 CARGO_TARGET_DIR=$build \
        cargo test --quiet "${plain[@]}" -p deltamote-laws --test replay kept_inputs) \
        >"$target/replay.log" 2>&1
}

# control LAW FILE FROM TO WHAT: FROM, which is there once, becomes TO.
control() {
    local law=$1 file=$2 from=$3 to=$4 what=$5
    [ ${#asked[@]} -eq 0 ] || [[ " ${asked[*]} " == *" $law "* ]] || return 0
    from=$from to=$to perl -0pi -e '
        $n = s/\Q$ENV{from}\E/$ENV{to}/g;
        die "$ARGV: found $n times: $ENV{from}\n" unless $n == 1;' "$copy/$file"
    local verdict=fails
    if replay "$law"; then
        verdict="HOLDS ALL THE SAME"
        failed=1
    elif ! grep -q 'panicked at' "$target/replay.log"; then
        verdict="DOES NOT BUILD"
        failed=1
    fi
    printf '%-34s %-18s %s\n' "$law" "$verdict" "$what"
    install "$file" "$copy/$file"
}

refresh
# The controls of the controls: unbroken, all hold.
[ -n "${SKIP:-}" ] || replay "" || { echo "the laws do not hold as it is: $target/replay.log" >&2; exit 1; }

format=patcher-nostd/format/src
device=patcher-nostd/src

control envelope_is_canonical $format/envelope.rs \
    $'        written?;\n    }\n    if d.is_canonical() {' $'        let _ = written;\n    }\n    if d.is_canonical() || start < usize::MAX {' \
    "another spelling is accepted"
control manifest_is_canonical $format/manifest.rs \
    "} else if layout.is_none() {" "} else if layout.is_none() && new_size == 0 {" \
    "a payload size that no layout has is accepted"
control key_set_is_canonical $format/key_set.rs \
    $'.revoked)\n        })?;' $'.revoked)\n        })\n        .or(Ok::<(), WireError>(()))?;' \
    "another spelling is accepted"
control signatures_hold_only_as_made $device/signature/p256.rs \
    "signature.normalize_s() == signature && key" "key" \
    "P-256 has two spellings of a signature"
control key_sets_open_what_they_say $device/key_set.rs \
    "version < newest.version ||" "false ||" \
    "an older key set is taken"
control chunks_open_only_as_sealed $format/encryption.rs \
    "let [a, b, c, d] = index.to_le_bytes();" "let [a, b, c, d] = (index & 0).to_le_bytes();" \
    "all chunks have one nonce"
control chunks_pass_only_as_sealed $device/receive.rs \
    "link_of(chunk) == self.links[2]" "link_of(chunk)[1..] == self.links[2][1..] || chunk.len() > 64" \
    "long chunks are believed"
control payload_stays_in_bounds $format/codec/ops.rs \
    "if gap > room || (gap == room && !fills)" "if gap == room && !fills" \
    "an insertion may pass the end of the new image"
control references_encode_as_they_read $format/isa/avr.rs \
    "bits.set(word, target.wrapping_sub(pc.wrapping_add(2)))" \
    "bits.set(word, target.wrapping_sub(pc))" \
    "AVR's relative branches are off by an instruction"
control references_encode_as_they_read $format/isa/thumb.rs \
    "glance(new, pc) == (r.kind, target)" "glance(new, pc).1 == target" \
    "in Thumb, no reference is one to address zero"
control unauthentic_bytes_change_nothing $device/trust.rs \
    "    verifier.verify(signer, message, signature)?;" \
    "    let _ = verifier.verify(signer, message, signature);" \
    "the verdict on the signature is ignored"
control the_first_reason_is_given $device/trust.rs \
    "if !is_for(manifest.vendor(), &device.vendor) {" \
    "if device.vendor.is_some() && !is_for(manifest.vendor(), &device.vendor) {" \
    "a device that knows no vendor takes what is for one"
control the_first_reason_is_given $device/flash.rs \
    "&& total == Some(self.size)" "&& total >= Some(self.size)" \
    "mixed erase blocks may reach beyond the part"
control the_first_reason_is_given $device/journal.rs \
    "    let records = checkpoints as u64 * short + resets as u64 * long;" \
    "    let records = checkpoints as u64 * short + resets as u64 * short;" \
    "what the journal takes is stated too low"
control any_split_is_the_same $device/receive.rs \
    "self.is_checked() && (self.is_last()" "(self.is_checked() || self.data > self.used) && (self.is_last()" \
    "decoding goes on while a chunk arrives"
control resume_is_no_cut $device/sabotage.rs \
    $'broken(_: Rule) -> bool {\n    false' $'broken(rule: Rule) -> bool {\n    matches!(rule, Rule::EraseAgain)' \
    "a resumed session does not erase the block at the frontier"
control any_plan_round_trips $format/codec/ops.rs \
    "            less.wrapping_add(1)" \
    "            less.wrapping_add(1 + u32::from(!C::ENCODES && less > 200))" \
    "a decoder reads long copies as longer"
control images_stay_inside engine/src/image/mod.rs \
    "(d < s.len).then_some(s.offset + d)" "(d < s.len).then_some(s.offset + d + 1)" \
    "an address leads to the byte behind its own"
control written_images_read_back engine/src/image/hex.rs \
    "let start = high | at;" "let start = high | (at & 0x7fff);" \
    "addresses in Intel HEX lose a bit"

control zstd_payload_stays_in_bounds $format/codec/mod.rs \
    $'        self.corrections.clear();\n        self.map.drop' $'        self.map.drop' \
    "a block remembers the corrections of the one before"
control any_journal_is_survived $device/patcher.rs \
    "if hash.finish() == *digest {" "if hash.finish() == *digest || other == Stop::NewImage {" \
    "what is in the slot is handed over, whatever its digest"
control any_boot_state_is_survived $device/hand_over/mcuboot.rs \
    "        self.erase(slot).map(drop)" "        let _ = slot; Ok(())" \
    "MCUboot's flag is not taken back before the slot is written"
control every_pair_round_trips engine/src/image/mod.rs \
    "        let mut format = sniff::format(file);" \
    "        source = Source::owned(file[..file.len().min(30)].to_vec());
        let file = source.bytes();
        let mut format = sniff::format(file);" \
    "the engine sees 30 bytes of an image"
control every_pair_round_trips engine/src/diff.rs \
    "    let images = (old.bytes(), new.bytes());" \
    "    planned.plan.header.zero_based ^= options.jobs.is_some();
    let images = (old.bytes(), new.bytes());" \
    "another number of threads gives another patch"
exit $failed
