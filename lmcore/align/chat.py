"""Turns of a conversation as tokens, and which of them are supervised.

The template is `<|user|>{prompt}<|assistant|>{completion}<|end|>`. Each text is encoded by itself,
as plain text, and the special tokens are put between by id. So a text from the web that contains
"<|end|>" can never end a turn, and no merge crosses from a prompt into a completion: the tokens of
a completion are the same in training, in sampling and in the mask.
Cost: one encoding of each text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lmcore.tokenizer.bpe import Tokenizer

USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|end|>"


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange: what the user says and what the assistant answers."""

    prompt: str
    completion: str


@dataclass(frozen=True, slots=True)
class Chat:
    """The tokens of a conversation; the mask is True on the assistant's, its `<|end|>` included."""

    ids: list[int]
    is_supervised: list[bool]


class ChatTemplate:
    """Encodes prompts, completions and conversations with one tokenizer.

    Raises InputError where the tokenizer lacks one of the three special tokens.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.user_id, self.assistant_id, self.end_id = (
            tokenizer.token_id(name) for name in (USER, ASSISTANT, END)
        )

    def encode_prompt(self, prompt: str) -> list[int]:
        """Returns the tokens after which the assistant speaks."""
        return [self.user_id, *self.tokenizer.encode(prompt), self.assistant_id]

    def encode_completion(self, completion: str) -> list[int]:
        """Returns the assistant's tokens, which end with `<|end|>`."""
        return [*self.tokenizer.encode(completion), self.end_id]

    def encode(self, turns: Sequence[Turn]) -> Chat:
        """Returns a whole conversation and its mask."""
        ids: list[int] = []
        is_supervised: list[bool] = []
        for turn in turns:
            prompt = self.encode_prompt(turn.prompt)
            completion = self.encode_completion(turn.completion)
            ids += prompt + completion
            is_supervised += [False] * len(prompt) + [True] * len(completion)
        return Chat(ids, is_supervised)

    def decode_completion(self, ids: Sequence[int]) -> tuple[str, bool]:
        """Returns the text of a completion, without its `<|end|>`, and whether it had one."""
        is_finished = bool(ids) and ids[-1] == self.end_id
        return self.tokenizer.decode(list(ids[:-1] if is_finished else ids)), is_finished
