"""Claims about delimited text: delimiters, quotes, headers, encodings, ragged lines."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import warnings
import zipfile

import polars as pl
import pyarrow as pa
import pytest

from tripos.data.read import read_table
from tripos.data.read_encoding import guess
from tripos.errors import BudgetError, TableError, TableWarning


def quietly(source, **options):
    """The table, however many repairs are stated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        return read_table(source, **options)


def said(source, **options):
    """The table and what was stated about it."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        table = read_table(source, **options)
    return table, " ".join(str(note.message) for note in notes if issubclass(note.category, TableWarning))


PLAIN = "name,size,price\nbolt,3,0.25\nnut,4,0.1\n"
EXPECTED = {"name": ["bolt", "nut"], "size": [3, 4], "price": [0.25, 0.1]}


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", "^", "~", "\x01", "\x1f", "::", ":", " "])
def test_any_delimiter_is_found(delimiter):
    assert read_table(PLAIN.replace(",", delimiter).encode()).to_dict(as_series=False) == EXPECTED


def test_columns_aligned_by_blanks_are_read():
    text = "name   size  price\nbolt      3   0.25\nnut       4    0.1\n"
    assert read_table(text.encode()).to_dict(as_series=False) == EXPECTED


@pytest.mark.parametrize("delimiter", ["=>", "§", "\n"])
def test_a_delimiter_of_any_length_can_be_named(delimiter):
    table = quietly(PLAIN.replace(",", delimiter).encode(), delimiter=delimiter)
    assert table.shape == ((8, 1) if delimiter == "\n" else (2, 3))


def test_commas_inside_cells_do_not_hide_a_semicolon():
    table = read_table(b"a;b\n1,5;2,25\n3,0;4,5\n", nulls=[])
    assert table["a"].to_list() == [1.5, 3.0]


def zipped(data: bytes) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.csv", data)
    return memory.getvalue()


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        bz2.compress,
        lzma.compress,
        zipped,
        lambda d: pa.compress(d, codec="zstd", asbytes=True),
    ],
    ids=["gz", "bz2", "xz", "zip", "zst"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_compression_is_told_by_the_bytes_not_the_name(pack, encoding, tmp_path):
    path = tmp_path / "table.txt"
    path.write_bytes(pack(PLAIN.replace("bolt", "Schlüssel").encode(encoding)))
    assert quietly(path)["name"][0] == "Schlüssel"


def test_zstd_is_unpacked_without_another_package(tmp_path, monkeypatch):
    from tripos.data import read_bytes

    monkeypatch.setattr(
        read_bytes.importlib, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name))
    )
    path = tmp_path / "table.csv.zst"
    path.write_bytes(pa.compress(PLAIN.encode(), codec="zstd", asbytes=True))
    assert read_table(path).to_dict(as_series=False) == EXPECTED


def test_a_file_cut_short_while_packed_is_called_damaged(tmp_path):
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(PLAIN.encode() * 1000)[:-20])
    with pytest.raises(TableError, match="damaged or cut short"):
        read_table(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_with_or_without_a_mark_is_read(encoding):
    assert read_table(PLAIN.replace("bolt", "Bölt").encode(encoding))["name"].to_list() == ["Bölt", "nut"]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Müller fährt über die Straße nach Köln. "),
        ("cp1252", "Les élèves préfèrent la crème brûlée. "),
        ("cp1250", "Zażółć gęślą jaźń, święta łódź w źródle. "),
        ("cp1251", "Привет, мир. Это простой текст на русском языке. "),
        ("koi8_r", "Привет, мир. Это простой текст на русском языке. "),
        ("cp1253", "Αυτό είναι ένα κείμενο στα ελληνικά. "),
        ("cp932", "これは日本語のテキストです。東京都に住んでいます。"),
        ("gb18030", "这是一个中文文本。我住在北京市朝阳区。"),
        ("cp949", "이것은 한국어 텍스트입니다. 서울에 살고 있습니다."),
    ],
)
def test_the_encoding_is_told_from_the_text(encoding, text):
    assert guess((text * 3).encode(encoding)) == encoding


@pytest.mark.parametrize("symbol", ["20 °C", "£5", "€7", "it’s", "½"])
def test_lone_symbols_are_western(symbol):
    assert quietly(f"a,b\n{symbol},1\nx,2\n".encode("cp1252"))["a"][0] == symbol


def test_bytes_that_are_no_utf8_far_into_the_file_are_found(tmp_path):
    path = tmp_path / "late.csv"
    path.write_bytes(b"name,n\n" + b"abcdefgh,1\n" * 60_000 + "Müller,2\n".encode("latin-1"))
    table, notes = said(path)
    assert table["name"][-1] == "Müller"
    assert "line 60,002" in notes


def test_a_wrongly_named_encoding_is_an_error_with_the_line():
    with pytest.raises(TableError, match=r"is not utf-8: byte 0xfc in line 2"):
        read_table("name,n\nMüller,1\n".encode("latin-1"), encoding="utf-8")
    with pytest.raises(TableError, match="not a known encoding.*utf-8"):
        read_table(PLAIN.encode(), encoding="utf-9")


def test_a_table_without_a_header_is_recognised():
    table, notes = said(b"1.5,a\n2.5,b\n3.5,a\n")
    assert table.columns == ["column_1", "column_2"]
    assert table.height == 3
    assert "no header line (line 1 holds 1.5)" in notes


@pytest.mark.parametrize("first", ["0,1,2", "2010,2011,2012", "1,2,target"])
def test_columns_may_be_called_by_numbers(first):
    assert read_table(f"{first}\n5.5,6.5,1\n7.5,8.5,0\n".encode()).columns == first.split(",")


def test_header_can_be_decided_by_the_caller():
    text = b"1,2\n3,4\n"
    assert quietly(text, header=True).columns == ["1", "2"]
    assert quietly(b"a,b\nc,d\n", header=False).height == 2
    assert read_table(text, names=["x", "y"]).to_dict(as_series=False) == {"x": [1, 3], "y": [2, 4]}
    assert read_table(b"a,b\n1,2\n", names=["x", "y"]).rows() == [(1, 2)]


def test_repeated_and_empty_names_are_repaired_and_stated():
    table, notes = said(b"a,,a,b ,column_2\n1,2,3,4,5\n")
    assert table.columns == ["a", "column_2_2", "a_2", "b", "column_2"]
    assert "'a' -> 'a_2'" in notes
    assert "have no name" in notes


def test_a_name_may_span_lines_and_lines_may_be_blank_before_it():
    table = quietly(b'\n\n"first\nname",n\nann,1\n\nbob,2\n\n\n')
    assert table.rows() == [("ann", 1), ("bob", 2)]
    assert table.columns == ["first name", "n"]


def test_row_names_without_a_name_are_kept_as_r_writes_them():
    table, notes = said(b'"mpg" "cyl"\n"Mazda" 21 6\n"Datsun" 22.8 4\n')
    assert table.columns == ["row_names", "mpg", "cyl"]
    assert "row names" in notes


def test_short_lines_are_an_error_that_names_them():
    with pytest.raises(TableError, match="line 3 has 2 cells"):
        read_table(b"a,b,c\n1,2,3\n4,5\n6,7,8\n9,10,11\n")


def test_long_lines_are_an_error_that_names_them():
    text = b"a,b\n" + b"1,2\n" * 50 + b"3,4,5\n" + b"1,2\n" * 50
    with pytest.raises(TableError, match="line 52 has 3 cells"):
        read_table(text)


def test_line_numbers_count_the_lines_inside_cells():
    with pytest.raises(TableError, match="line 5 has 1 cell"):
        read_table(b'a,b\n"x\ny",1\nz,2\nbad\nw,3\n')


def test_a_file_that_stops_in_the_middle_of_a_line_is_suspected_to_be_cut_off():
    with pytest.raises(TableError, match="may be cut off"):
        read_table(b"a,b,c\n" + b"1,2,3\n" * 100 + b"4,5")


def test_empty_cells_beyond_the_last_column_are_dropped_and_stated():
    table, notes = said(b"a,b\n1,2\n3,4,,\n5,6\n7,8,\n9,10\n")
    assert table["b"].to_list() == [2, 4, 6, 8, 10]
    assert "2 lines with empty cells beyond the last column" in notes


def test_a_delimiter_at_the_end_of_every_line_makes_no_column():
    assert quietly(b"a,b,\n1,2,\n3,4,\n").columns == ["a", "b"]
    assert quietly(b"a,b,\n1,2\n3,4\n").columns == ["a", "b"]


def test_lines_trimmed_of_empty_cells_are_filled_and_stated():
    lines = ["a,b,c"] + [f"{i},{i},{i}" if i % 4 else f"{i}" for i in range(1, 60)]
    table, notes = said("\n".join(lines).encode())
    assert table["c"].null_count() == 14
    assert "without trailing empty cells" in notes


def test_missing_values_in_the_last_column_are_not_ragged():
    assert read_table(b'a,b\n1,\n2,"x,y"\n3,"he said ""no"""\n')["b"].to_list() == [
        None,
        "x,y",
        'he said "no"',
    ]


def test_quotes_in_running_text_are_characters_when_lines_agree_without_them():
    text = 'ham\t"hello there\nspam\twin 12" pizza now\nham\tok "then\nham\tbye"\n' * 5
    table, notes = said(text.encode())
    assert table.height == 20
    assert table["column_2"][0] == '"hello there'
    assert "ordinary characters" in notes


def test_a_quote_that_swallows_lines_in_silence_is_noticed():
    text = 'ham\t"hello\nspam\tsecond"\nham\tthird\n' * 10
    assert (
        pl.read_csv(text.encode(), separator="\t", has_header=False).height == 20
    )  # what goes wrong without looking
    assert quietly(text.encode()).height == 30


def test_cells_may_span_lines():
    assert read_table(b'id,text\n1,"two, three\nlines"\n2,one\n')["text"][0] == "two, three\nlines"


def test_blanks_between_delimiter_and_quote_are_forgiven():
    assert quietly(b'a, b, c\n1, "x, y", 2\n3, "z", 4\n')["b"].to_list() == ["x, y", "z"]


def test_single_quotes_that_wrap_cells_are_taken_off():
    assert quietly(b"'a','b'\n'x, y','1'\n'z','2'\n")["a"].to_list() == ["x, y", "z"]


def test_line_ends_of_all_systems_are_read():
    for end in ("\r\n", "\r", "\n"):
        assert read_table(PLAIN.replace("\n", end).encode()).to_dict(as_series=False) == EXPECTED


def test_a_column_that_turns_into_fractions_or_words_late_is_read_whole():
    lines = "\n".join(["n,w", *(f"{i},{i}" for i in range(5000)), "0.5,late", "0.5,99x", "0.5,x99"])
    table, notes = said(lines.encode())
    assert table.dtypes == [pl.Float64, pl.String]
    assert table["n"][-1] == 0.5
    assert (
        "'w' is kept as text because 3 cells of 5,003 are no numbers: 'late', '99x', 'x99' (line 5,002, line 5,003"
        in notes
    )


def test_columns_and_rows_can_be_chosen():
    text = PLAIN.encode()
    assert read_table(text, columns=["price", "name"]).columns == ["price", "name"]
    assert read_table(text, n_rows=1).height == 1
    with pytest.raises(TableError, match="no column 'prize'. Did you mean 'price'"):
        read_table(text, columns=["prize"])
    with pytest.raises(TableError, match="line 3 has 2 cells"):
        read_table(b"a,b,c\n1,2,3\n4,5\n", columns=["a"])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"a,b,c\n", "header .* but no rows"),
        (bytes(range(256)) * 40, "binary data"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "PNG image"),
        (b"%PDF-1.4 stuff", "PDF document"),
        (b"\x80\x04\x95\x00\x00", "pickle"),
        (b"SQLite format 3\0" + bytes(100), "SQLite database; read it by URL"),
    ],
)
def test_what_is_no_table_is_refused_with_its_reason(data, message, tmp_path):
    path = tmp_path / "given.csv"
    path.write_bytes(data)
    with pytest.raises(TableError, match=message):
        quietly(path)


def test_paths_that_cannot_be_read_say_what_to_do(tmp_path):
    (tmp_path / "churn.csv").write_text(PLAIN)
    with pytest.raises(TableError, match="Did you mean 'churn.csv'"):
        read_table(tmp_path / "chrun.csv")
    with pytest.raises(TableError, match="is a directory; name a file"):
        read_table(tmp_path)
    with pytest.raises(TableError, match="folder .* does not exist"):
        read_table(tmp_path / "nowhere" / "x.csv")
    with pytest.raises(TableError, match="No file matches"):
        read_table(str(tmp_path / "*.parquet"))


@pytest.mark.parametrize(
    "options",
    [{"header": "yes"}, {"quote": "''"}, {"delimiter": ""}, {"n_rows": 0}, {"columns": "a"}, {"columns": []}],
)
def test_arguments_that_mean_nothing_are_refused(options):
    with pytest.raises(TableError, match="="):
        read_table(PLAIN.encode(), **options)


def test_a_table_larger_than_memory_is_refused_with_the_size_and_a_way_out(tmp_path, monkeypatch):
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.write(b"a,b\n" + b"1234,some words\n" * 20_000)
        file.truncate(40_000_000_000)  # sparse: takes no disk
    monkeypatch.setenv("TRIPOS_MEMORY_LIMIT", "8GB")
    with pytest.raises(BudgetError, match=r"GiB.*columns=.*Parquet.*scan"):
        read_table(path)


def test_a_transcoded_copy_that_grows_large_goes_to_disk_and_is_removed(tmp_path, monkeypatch):
    from tripos.data import read_bytes

    monkeypatch.setattr(read_bytes, "IN_MEMORY", 10_000)
    monkeypatch.setattr(read_bytes.tempfile, "tempdir", str(tmp_path))
    table = quietly(lzma.compress(b"name,n\n" + b"bolt,1\n" * 5000))
    assert table.height == 5000
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_cannot_be_written_says_where_and_what_to_do(tmp_path, monkeypatch):
    from tripos.data import read_bytes

    monkeypatch.setattr(read_bytes, "IN_MEMORY", 10_000)
    monkeypatch.setattr(read_bytes.tempfile, "tempdir", str(tmp_path / "full"))
    with pytest.raises(TableError, match="could not be written .*free some space or set TMPDIR"):
        quietly(lzma.compress(b"name,n\n" + b"bolt,1\n" * 5000))


def test_lines_wider_than_the_first_look_are_read_whole():
    names = [f"a_rather_long_name_of_column_{j}" for j in range(12_000)]
    rows = "\n".join(",".join(str(i * j) for j in range(12_000)) for i in range(4))
    table = read_table(f"{','.join(names)}\n{rows}\n".encode())
    assert table.shape == (4, 12_000)
    assert table[names[-1]].to_list() == [0, 11_999, 23_998, 35_997]
