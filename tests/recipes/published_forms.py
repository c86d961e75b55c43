"""Tiny corpora in the forms in which corpora are published, and what the corpus stage is to make of each."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import soundfile
from pyarrow import parquet

from zoo.corpora.textgrid import write_textgrid

TEXTS = ("one, two", 'so "three" four', "five six", "seven eight", "nine ten", "eleven twelve")
SECONDS = 0.3
WORDS = (("so", 0.02, 0.1), ("be", 0.12, 0.2), ("it", 0.22, 0.28))


def sound(path: Path, seconds: float = SECONDS, seed: int = 0, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.1 * np.random.default_rng(seed).standard_normal((round(8000 * seconds), channels))
    soundfile.write(path, samples, 8000)
    return path


def sounds(folder: Path, name: str = "{}.wav", count: int = 6) -> list[str]:
    names = [name.format(number) for number in range(count)]
    for number, file in enumerate(names):
        sound(folder / file, seed=number)
    return names


def lines(path: Path, *texts: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")


def table(path: Path, header: list[str], rows: list[list[object]], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows] if header else rows)


def json_lines(path: Path, rows: list[dict]) -> None:
    lines(path, *(json.dumps(row) for row in rows))


@dataclass(frozen=True)
class Form:
    """What the corpus stage is to make of a form: what it says, and the labels of all utterances together."""

    says: str
    texts: tuple[str, ...] = TEXTS
    speakers: tuple[str, ...] = ("unknown",)
    splits: tuple[str, ...] = ("train", "dev")
    with_words: bool = False


def ljspeech(root):
    sounds(root / "wavs", "LJ001-000{}.wav")
    lines(root / "metadata.csv", *(f"LJ001-000{number}|raw {text}|{text}" for number, text in enumerate(TEXTS)))
    return Form("pipe-separated list without header (audio, -, text)")


def piper(root):
    sounds(root / "wav")
    lines(root / "metadata.csv", *(f"{number}|voice{number % 2}|{text}" for number, text in enumerate(TEXTS)))
    return Form("pipe-separated list without header (audio, speaker, text)", speakers=("voice0", "voice1"))


def vits(root):
    names = sounds(root / "wavs")
    rows = [f"DUMMY1/{name}|{number % 3}|{text}" for number, (name, text) in enumerate(zip(names, TEXTS, strict=True))]
    lines(root / "filelists" / "my_audio_sid_text_train_filelist.txt", *rows[:4])
    lines(root / "filelists" / "my_audio_sid_text_val_filelist.txt", *rows[4:])
    return Form(
        "my_audio_sid_text_train_filelist.txt, my_audio_sid_text_val_filelist.txt: pipe", speakers=("0", "1", "2")
    )


def vits_without_speakers(root):
    names = sounds(root / "wavs")
    lines(root / "train.txt", *(f"wavs/{name}|{text}" for name, text in zip(names[:4], TEXTS[:4], strict=True)))
    lines(root / "val.txt", *(f"wavs/{name}|{text}" for name, text in zip(names[4:], TEXTS[4:], strict=True)))
    return Form("train.txt, val.txt: pipe-separated list without header (audio, text)")


def gpt_sovits(root):
    names = sounds(root / "audio")
    rows = [f"audio/{name}|ann|EN|{text}" for name, text in zip(names, TEXTS, strict=True)]
    lines(root / "metadata.txt", *rows)
    return Form("(audio, speaker, language, text)", speakers=("ann",))


def common_voice(root):
    names = sounds(root / "clips", "common_voice_en_{}.mp3")
    header = ["client_id", "path", "sentence", "up_votes", "age", "locale"]
    # Common Voice writes quotes as they are.
    rows = [f"speaker{n % 2}\t{names[n]}\t{TEXTS[n]}\t2\t\ten" for n in range(6)]
    for name, part in (("train", rows[:3]), ("dev", rows[3:5]), ("test", rows[5:])):
        lines(root / f"{name}.tsv", "\t".join(header), *part)
    lines(root / "validated.tsv", "\t".join(header), *rows)
    lines(root / "clip_durations.tsv", "clip\tduration[ms]", *(f"{name}\t300" for name in names))
    says = "train.tsv, dev.tsv, test.tsv: Common Voice, tab-separated"
    return Form(says, speakers=("speaker0", "speaker1"), splits=("train", "dev", "test"))


def speechbrain(root):
    names = sounds(root / "data")
    header = ["ID", "duration", "wav", "spk_id", "wrd"]
    rows = [[f"u{n}", SECONDS, f"{{data_root}}/{names[n]}", f"s{n % 2}", TEXTS[n]] for n in range(6)]
    table(root / "train.csv", header, rows[:4])
    table(root / "valid.csv", header, rows[4:])
    return Form("train.csv, valid.csv: SpeechBrain, comma-separated", speakers=("s0", "s1"))


def speechbrain_segments(root):
    sound(root / "long.wav", 6 * SECONDS)
    header = ["ID", "duration", "wav", "start", "stop", "wrd"]
    samples = round(8000 * SECONDS)
    rows = [[f"u{n}", SECONDS, "long.wav", n * samples, (n + 1) * samples, TEXTS[n]] for n in range(6)]
    table(root / "train.csv", header, rows)
    return Form("train.csv: SpeechBrain")


def pandas_index(root):
    names = sounds(root / "audio")
    rows = [[n, f"audio/{names[n]}", TEXTS[n], "ann", 3.5] for n in range(6)]
    table(root / "metadata.csv", ["", "audio_path", "text", "speaker", "score"], rows)
    return Form("comma-separated with header, read: audio (audio_path)", speakers=("ann",))


def semicolons(root):
    names = sounds(root)
    table(root / "train.csv", ["file", "transcript"], [[names[n], TEXTS[n]] for n in range(6)], ";")
    return Form("semicolon-separated with header")


def header_of_unknown_names(root):
    names = sounds(root)
    table(root / "list.csv", ["sample", "line"], [[names[n], TEXTS[n]] for n in range(6)])
    return Form("list.csv: comma-separated with header, read: audio (sample), text (line)")


def split_column(root):
    names = sounds(root)
    kinds = ("train", "train", "train", "validation", "test", "test")
    table(root / "all.csv", ["file", "text", "split"], [[names[n], TEXTS[n], kinds[n]] for n in range(6)])
    return Form("all.csv: comma-separated", splits=("train", "dev", "test"))


def audiofolder_csv(root):
    names = sounds(root, "data/{}.wav")
    table(root / "metadata.csv", ["file_name", "transcription"], [[names[n], TEXTS[n]] for n in range(6)])
    return Form("metadata.csv: Hugging Face audiofolder, comma-separated")


def audiofolder_jsonl_by_split(root):
    names = sounds(root / "train", count=4) + sounds(root / "validation", count=2)
    rows = [{"file_name": name, "text": text} for name, text in zip(names, TEXTS, strict=True)]
    json_lines(root / "train" / "metadata.jsonl", rows[:4])
    json_lines(root / "validation" / "metadata.jsonl", rows[4:])
    return Form("metadata.jsonl, metadata.jsonl: Hugging Face audiofolder, JSON Lines")


def audiofolder_parquet(root):
    names = sounds(root / "made")
    audio = [{"bytes": (root / "made" / name).read_bytes(), "path": name} for name in names]
    for name in names:
        (root / "made" / name).unlink()
    columns = {"audio": audio, "sentence": list(TEXTS), "speaker_id": [0, 1, 0, 1, 0, 1]}
    (root / "data").mkdir()
    for name, part in (
        ("train-00000-of-00002", slice(0, 2)),
        ("train-00001-of-00002", slice(2, 4)),
        ("test-0", slice(4, 6)),
    ):
        rows = {key: values[part] for key, values in columns.items()}
        parquet.write_table(pa.table(rows), root / "data" / f"{name}.parquet")
    says = "train-00000-of-00002.parquet, train-00001-of-00002.parquet, test-0.parquet: Parquet"
    return Form(says, speakers=("0", "1"), splits=("train", "dev", "test"))


def nemo(root):
    sound(root / "long.wav", 6 * SECONDS)
    rows = [
        {"audio_filepath": "long.wav", "offset": n * SECONDS, "duration": SECONDS, "text": TEXTS[n]} for n in range(6)
    ]
    json_lines(root / "train_manifest.json", rows[:4])
    json_lines(root / "val_manifest.json", rows[4:])
    return Form("train_manifest.json, val_manifest.json: NeMo manifest")


def moshi(root):
    for number in range(6):
        sound(root / "stereo" / f"{number}.wav", channels=2, seed=number)
        words = [[word, [start, end], "SPEAKER_MAIN"] for word, start, end in WORDS]
        content = {"alignments": [*words, ["hm", [0.1, 0.12], "SPEAKER_OTHER"]]}
        (root / "stereo" / f"{number}.json").write_text(json.dumps(content))
    json_lines(root / "data.jsonl", [{"path": f"stereo/{n}.wav", "duration": SECONDS} for n in range(6)])
    return Form("data.jsonl: moshi-finetune manifest", texts=("so be it",) * 6, with_words=True)


def kaldi(root):
    names = sounds(root / "wav", "rec{}.wav", count=3)
    for split, numbers in (("train", range(4)), ("dev", range(4, 6))):
        folder = root / split
        lines(folder / "wav.scp", *(f"rec{n} wav/{name}" for n, name in enumerate(names)))
        lines(folder / "segments", *(f"u{n} rec{n // 2} {n % 2 * 0.15:.2f} {n % 2 * 0.15 + 0.15:.2f}" for n in numbers))
        lines(folder / "text", *(f"u{n}\t{TEXTS[n]}" for n in numbers))
        lines(folder / "utt2spk", *(f"u{n} spk{n // 2}" for n in numbers))
    return Form("Kaldi data folder (wav.scp, segments, text, utt2spk)", speakers=("spk0", "spk1", "spk2"))


def fairseq_letters(root):
    names = sounds(root / "audio")
    for split, part in (("train", slice(0, 4)), ("valid", slice(4, 6))):
        rows = [f"{name}\t{round(8000 * SECONDS)}" for name in names[part]]
        lines(root / f"{split}.tsv", str(root / "audio"), *rows)
        lines(root / f"{split}.ltr", *(" ".join(text.replace(" ", "|")) + " |" for text in TEXTS[part]))
    return Form("fairseq manifests (train.tsv, valid.tsv), texts in .ltr")


def fairseq_speech(root):
    names = sounds(root / "audio")
    lines(root / "train.tsv", "/nowhere", *(f"audio/{name}\t{round(8000 * SECONDS)}" for name in names))
    lines(root / "train.km", *("1 2 3" for _ in names))
    return Form("fairseq manifests (train.tsv), speech without text", texts=("",) * 6)


def librispeech(root):
    for number, part in enumerate(("train-clean-100", "train-other-500", "dev-clean")):
        chapter = root / part / str(number) / "12"
        for line in range(2):
            sound(chapter / f"{number}-12-000{line}.flac", seed=2 * number + line)
        texts = [f"{number}-12-000{line} {TEXTS[2 * number + line]}" for line in range(2)]
        lines(chapter / f"{number}-12.trans.txt", *texts)
    return Form("LibriSpeech layout", speakers=("0", "1", "2"))


def libritts(root):
    for number in range(6):
        part = "dev-clean" if number > 3 else "train-clean-360"
        path = sound(root / part / f"{number // 2}" / "7" / f"{number // 2}_7_{number}.wav", seed=number)
        lines(path.with_suffix(".normalized.txt"), TEXTS[number])
        lines(path.with_suffix(".original.txt"), f"Raw {TEXTS[number]}")
    return Form("audio files with .normalized.txt beside them", speakers=("0", "1", "2"))


def vctk(root):
    for number in range(6):
        speaker = f"p{225 + number // 2}"
        for microphone in (1, 2):
            sound(
                root / "wav48_silence_trimmed" / speaker / f"{speaker}_{number:03d}_mic{microphone}.flac", seed=number
            )
        lines(root / "txt" / speaker / f"{speaker}_{number:03d}.txt", TEXTS[number])
    return Form("VCTK layout", speakers=("p225", "p226", "p227"))


def aligned_by_mfa(root):
    for number in range(6):
        path = sound(root / f"spk{number % 2}" / f"{number}.wav", seed=number)
        lines(path.with_suffix(".lab"), "so be it")
        write_textgrid(path.with_suffix(".TextGrid"), SECONDS, WORDS, (("s", 0.02, 0.1),))
    says = "audio files with .lab and .TextGrid beside them"
    return Form(says, texts=("so be it",) * 6, speakers=("spk0", "spk1"), with_words=True)


def textgrids_alone(root):
    for number in range(6):
        path = sound(root / f"{number}.wav", seed=number)
        write_textgrid(path.with_suffix(".TextGrid"), SECONDS, WORDS)
    return Form("audio files with .TextGrid beside them", texts=("so be it",) * 6, with_words=True)


def speech_without_text(root):
    sounds(root / "anna", count=3)
    sounds(root / "ben", count=3)
    return Form("speech without text", texts=("",) * 6, speakers=("anna", "ben"))


def ours_in_utf16(root):
    names = sounds(root)
    rows = [f"{name}\t{text}" for name, text in zip(names, TEXTS, strict=True)]
    (root / "train.tsv").write_text("\n".join(["audio\ttext", *rows]), encoding="utf-16")
    return Form("train.tsv: tab-separated with header")


FORMS = (
    *(ljspeech, piper, vits, vits_without_speakers, gpt_sovits, common_voice, speechbrain, speechbrain_segments),
    *(
        pandas_index,
        semicolons,
        header_of_unknown_names,
        split_column,
        audiofolder_csv,
        audiofolder_jsonl_by_split,
        audiofolder_parquet,
        nemo,
    ),
    *(moshi, kaldi, fairseq_letters, fairseq_speech, librispeech, libritts, vctk, aligned_by_mfa, textgrids_alone),
    *(speech_without_text, ours_in_utf16),
)
