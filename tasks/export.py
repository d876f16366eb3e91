"""Models of a run as folders that other libraries load."""

from pathlib import Path

from lmcore.errors import InputError
from lmcore.model.files import load_model
from lmcore.model.huggingface import write_huggingface
from lmcore.tokenizer import formats
from lmcore.tokenizer.bpe import Tokenizer
from tasks.generation import model_folders
from warehouse.store import Store


def export(store: Store, model: str, out: Path) -> Path:
    """Write a model and its tokenizer for Hugging Face's libraries; returns the folder.

    Raises InputError where no run made the model, or the folder holds something already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        msg = f"Found that {out} is not an empty folder; expected one, or none; name another."
        raise InputError(msg)
    folder, tokenizer_folder = model_folders(store, model)
    tokenizer = Tokenizer.load(tokenizer_folder)
    end = tokenizer.eot_id if model == "base" else tokenizer.token_id("<|end|>")
    write_huggingface(out, load_model(folder), eos_id=end)
    formats.write_huggingface(tokenizer, out)
    return out
