from pathlib import Path
def test_first(tuned: Path) -> None:
    assert (tuned/"checkpoint/config.json").is_file()
    print((tuned/"log.jsonl").read_text())
def test_reg(region_run: Path) -> None:
    assert (region_run/"regions.json").is_file()
    print((region_run/"log.jsonl").read_text())
def test_eng(engine, make_view, noise) -> None:
    from rsvlm.messages import Message
    g=engine.generate([Message("user",(make_view(noise(96,200)),"How many <|im_end|><image>?"))],max_tokens=30)
    print(g)
