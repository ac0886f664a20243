"""models."""

from __future__ import annotations

import json

from semapix.bundle import Bundle


def test_models_lists_what_is_installed(run, installed_bundle):
    result = run("models")
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    size = installed_bundle.path.stat().st_size / 1e6
    fingerprint = installed_bundle.fingerprint.hex()
    assert lines[0] == f"tiny  codec scalable, fingerprint {fingerprint[:8]}, {size:.1f} MB"
    assert [line.split() for line in lines[2:]] == [["coarse", "2", "1"], ["fine", "4", "2"]]


def test_models_json_is_a_list_of_objects(run, installed_bundle):
    result = run("models", "--json")
    assert (result.status, result.err) == (0, "")
    assert json.loads(result.out) == [
        {
            "codec": "scalable",
            "model": "tiny",
            "fingerprint": installed_bundle.fingerprint.hex(),
            "path": str(installed_bundle.path),
            "bytes": installed_bundle.path.stat().st_size,
            "tasks": [{"name": "coarse", "labels": 2, "layers": 1}, {"name": "fine", "labels": 4, "layers": 2}],
        }
    ]


def test_models_says_when_there_are_none(run, none_installed):
    assert run("models") == (0, "no models are installed\n", "")
    assert json.loads(run("models", "--json").out) == []


def test_models_lists_the_labels_of_one(run, tiny_bundle):
    result = run("models", "--labels", tiny_bundle)
    assert result == (0, "even: thing 0, thing 2\nodd: thing 1, thing 3\n", "")
    result = run("models", "--labels", tiny_bundle, "--json")
    assert json.loads(result.out) == {"even": ["thing 0", "thing 2"], "odd": ["thing 1", "thing 3"]}


def test_models_names_an_unknown_model(run, installed_bundle):
    result = run("models", "--labels", "best")
    assert result == (
        2,
        "",
        "semapix: no model is called 'best'; installed: tiny; or give the path of a .spxm file\n",
    )


def test_models_lists_what_tasks_find_that_look_for_objects(run, tiny_bundles):
    last = run("models", "--labels", tiny_bundles["dicm"]).out.splitlines()[-1]
    task = Bundle(tiny_bundles["dicm"]).manifest["tasks"][-1]
    assert last == f"task {task['name']} finds: {', '.join(task['labels'])}"
