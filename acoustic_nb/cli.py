"""The command ``acoustic-nb``: parses what was typed and calls what does it.

Exit status: 0 all well · 1 a job or a check is not ok · 2 wrong input, said in one line · 130 interrupted. Of `score` and `watch`:
0 no alarm · 3 alarm · 1 wrong input or an error.
"""

import argparse
import json
import os
import shlex
import shutil
import sys
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

FINE = ("ok", "skipped")
ALARM, MOST_EVENTS = 3, 10
SOUND_OPTIONS = ("normal", "anomalous", "dataset", "machine", "channel", "sample_rate", "start_s", "end_s", "events",
                 "skip_broken")
TABLE_ENDINGS = (".csv", ".tsv", ".txt")
BATCH, SCORING = "batch.json", "score.json"


def main(argv=None):
    """Do what the arguments say and return the exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    arguments = _parser().parse_args(argv)
    arguments.command_line = shlex.join(["acoustic-nb", *argv])
    try:
        status = arguments.function(arguments)
        sys.stdout.flush()  # what nobody reads is noticed here, not when Python ends
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return arguments.status
    except (ValueError, OSError) as error:
        print(f"acoustic-nb: {_one_line(error)}", file=sys.stderr)
        return arguments.error_status


def _parser():
    from acoustic_nb import __version__

    parser = argparse.ArgumentParser(
        prog="acoustic-nb", description="Compare six acoustic anomaly detectors on normal and anomalous recordings.")
    parser.add_argument("--version", action="version", version=f"acoustic-nb {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = _command(commands, "run", _run, "run the notebooks: on the demo, or on recordings of yours")
    _sound_options(run)
    run.add_argument("--name", help="name of the run, after its date (default: from the recordings)")
    _job_options(run)
    run.add_argument("--resume", metavar="RUN", help="do what an interrupted or failed run has left to do")
    run.add_argument("--workers", type=int, metavar="N", help="notebooks at once (default: what cores and memory allow)")

    batch = _command(commands, "batch", _batch, "run every row of a table, on all cores or on a cluster")
    batch.add_argument("table", nargs="?", metavar="TABLE", help="CSV or YAML, a row each: name, normal and anomalous, "
                       "or dataset, and any parameter as a column; none of the last three: the demo")
    batch.add_argument("--grid", action="append", default=[], metavar="NAME=V1,V2",
                       help="every row once with each of these values; may be given several times")
    batch.add_argument("--name", help="name of the batch, after its date (default: the table's)")
    _job_options(batch)
    batch.add_argument("--resume", metavar="BATCH", help="do what an interrupted or failed batch has left to do")
    batch.add_argument("--dry-run", action="store_true", help="check every row, say what would be run, and stop there")
    batch.add_argument("--workers", type=int, metavar="N", help="notebooks at once on this computer (default: what cores "
                       "and memory allow)")
    batch.add_argument("--scheduler", metavar="WHERE", help="a Dask scheduler that is running: tcp://host:8786, or a "
                       "scheduler file")
    batch.add_argument("--host", metavar="ADDRESS", help="where the batch's own scheduler listens, ADDRESS or ADDRESS:PORT; it "
                       "asks for no password (default: 127.0.0.1, this computer only)")

    score = _command(commands, "score", _score, "score new recordings with a detector that a run has kept", error_status=1)
    score.add_argument("bundle", metavar="BUNDLE", help="RUN/gmm/bundle, or the zip file of it")
    score.add_argument("paths", nargs="+", metavar="PATH", help="files, folders, globs; or demo: two new recordings of its machine")
    score.add_argument("--name", help="name of the folder that takes the results, after its date (default: from the recordings)")
    score.add_argument("--skip-broken", action="store_true", help="go on without files that cannot be used, and say so")
    watch = _command(commands, "watch", _watch, "score recordings as they appear in a folder, or what a microphone hears",
                     error_status=1)
    watch.add_argument("folder", nargs="?", metavar="FOLDER", help="where recordings appear")
    watch.add_argument("bundle", metavar="BUNDLE", help="RUN/gmm/bundle, or the zip file of it")
    watch.add_argument("--input", metavar="DEVICE", help="in place of a folder: a microphone, its name or number, or default")
    watch.add_argument("--to", metavar="DIR", help="folder that takes the one table of events; the same one goes on after a "
                       "restart (default: beside the runs, by the name of the folder that is watched)")
    watch.add_argument("--once", action="store_true", help="score what is there and new, then stop")
    for command in (score, watch):
        _event_options(command)

    inspect = _command(commands, "inspect", _inspect, "print what recordings are recognised as")
    inspect.add_argument("path", nargs="?", metavar="PATH", help="manifest, folder, or audio file")
    _sound_options(inspect)

    listing = _command(commands, "list", _list, "show the runs, the newest first")
    remove = _command(commands, "remove", _remove, "delete a run, a batch, or a scoring")
    remove.add_argument("run", metavar="RUN", help="folder of the run, or its name")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    cache = _command(commands, "cache", _cache, "show the cache of computed features, or clear it")
    cache.add_argument("--clear", action="store_true", help="remove all that is in it; what is needed again is computed again")
    _command(commands, "params", _params, "show what -p can set")
    doctor = _command(commands, "doctor", _doctor, "check that this machine can run the notebooks")
    for command in (run, batch, score, watch, listing, remove, doctor):
        command.add_argument("--runs-dir", type=Path, metavar="DIR", help="folder of the runs (default: runs)")
    return parser


def _command(commands, name, function, text, *, error_status=2):
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    command.set_defaults(function=function, error_status=error_status, status=0)
    command.error = partial(_refuse_words, command, error_status)
    return command


def _refuse_words(command, error_status, message):
    """What argparse does with words that it cannot use, with the exit status of the command."""
    command.print_usage(sys.stderr)
    command.exit(error_status, f"{command.prog}: error: {message}\n")


def _event_options(command):
    """How flagged windows become events, and events an alarm."""
    command.add_argument("--gap-s", type=float, default=0.0, metavar="S", help="flagged windows at most this far apart are one "
                         "event (default: 0, those that touch)")
    command.add_argument("--shortest-s", type=float, default=0.0, metavar="S", help="leave out events whose windows last less")
    command.add_argument("--false-alarm-rate", type=float, metavar="A", help="share of normal windows that may be flagged "
                         "(default: that of the run)")
    command.add_argument("--alarm-events-per-hour", type=float, metavar="N", help="alarm beyond this, and nothing else (default: "
                         "the upper 95 %% bounds of what held-out normal sound has shown, of events per hour and of the share "
                         "flagged)")
    command.add_argument("--alarm-share", type=float, metavar="A", help="alarm where a larger share of windows is flagged")


def _job_options(command):
    """What says which notebooks run, and with what."""
    command.add_argument("--only", metavar="NAMES",
                         help="detectors to run, for example gmm,svm; the comparison always runs with them")
    command.add_argument("--sensitivity", action="store_true", help="also find out how faint an event each detector still finds")
    command.add_argument("-p", dest="parameters", action="append", nargs="+", default=[], metavar=("NAME", "VALUE"),
                         help="set a parameter of the notebooks: -p window_s 0.5 or -p window_s=0.5; see `params`")
    command.add_argument("--params", metavar="YAML", help="file of parameters, a line `name: value` each; -p wins over it")
    command.add_argument("--timeout", type=float, metavar="S", help="longest time for one cell in seconds (default: 600)")


def _sound_options(command):
    """What says which sound is meant."""
    command.add_argument("--normal", metavar="PATH", nargs="+", help="the machine as it should be: files, folders, globs")
    command.add_argument("--anomalous", metavar="PATH", nargs="+", help="the same with what is to be found in it")
    command.add_argument("--dataset", metavar="PATH", help="instead of the two: a manifest (CSV), or a folder as of DCASE task 2, "
                         "of MIMII, or with normal/ beside anomalous/")
    command.add_argument("--machine", metavar="NAME", help="the one machine of several to take")
    command.add_argument("--channel", metavar="N", help="mean of all channels (default), one from 1, or all: each by itself")
    command.add_argument("--sample-rate", metavar="HZ", help="native (default: the lowest of all files) or a number")
    command.add_argument("--start-s", type=float, metavar="S", help="leave out what is before this second of every file")
    command.add_argument("--end-s", type=float, metavar="S", help="leave out what is after this second of every file")
    command.add_argument("--events", metavar="FILE", nargs="+", help="event labels (Audacity, Raven, CSV) of anomalous recordings; "
                         "found by themselves beside a recording of the same name")
    command.add_argument("--skip-broken", action="store_true", help="go on without files that cannot be used, and say so")


def _sound(arguments):
    """What was typed of it, as Inputs, and as parameters of the notebooks."""
    from acoustic_nb.inputs import Inputs

    if not arguments.dataset:
        for one, other in (("normal", "anomalous"), ("anomalous", "normal")):
            if getattr(arguments, one) is not None and getattr(arguments, other) is None:
                raise ValueError(f"--{one} needs --{other} beside it; give both, or none for the demo")
    inputs = Inputs(
        normal=tuple(arguments.normal or ("demo",)), anomalous=tuple(arguments.anomalous or ("demo",)),
        dataset=arguments.dataset or "", machine=arguments.machine, start_s=arguments.start_s, end_s=arguments.end_s,
        events=tuple(arguments.events or ()), skip_broken=arguments.skip_broken)
    of_files = (inputs.machine, inputs.start_s, inputs.end_s, inputs.events, arguments.channel, arguments.sample_rate)
    if inputs.is_demo and any(of_files):
        raise ValueError("the demo is taken as it is; give recordings with --normal and --anomalous, or --dataset")
    settings = {"channel": arguments.channel, "sample_rate": arguments.sample_rate}
    return inputs, {name: value for name, value in settings.items() if value is not None}


def _inspect(arguments):
    from acoustic_nb.catalogue import audit_text
    from acoustic_nb.datasets import brought_together, listen, refuse_same_audio
    from acoustic_nb.inputs import find_entries, found_alone
    from acoustic_nb.units import PROTOCOLS, choose_protocol

    if arguments.path and (arguments.normal or arguments.anomalous or arguments.dataset):
        raise ValueError(f"inspect looks at {arguments.path}, or at what --normal, --anomalous or --dataset name; give one of them")
    alone = arguments.normal or arguments.anomalous if bool(arguments.normal) != bool(arguments.anomalous) else None
    if arguments.path and Path(arguments.path).is_file() and Path(arguments.path).suffix.lower() not in TABLE_ENDINGS:
        alone = [arguments.path]
    elif arguments.path:
        arguments.dataset = arguments.path
    if alone:
        arguments.normal = arguments.anomalous = alone
    inputs, settings = _sound(arguments)
    try:
        found = found_alone(inputs) if alone else find_entries(inputs)
    except ValueError as error:
        if not arguments.path or not Path(arguments.path).is_dir():
            raise
        print(_one_line(error))  # no data set, but sound that can be listened to
        alone, inputs = [arguments.path], replace(inputs, normal=(arguments.path,), dataset="")
        found = found_alone(inputs)
    print(found.sentence)
    recordings, left_out = listen(found, inputs, channel=settings.get("channel", "mean"))
    print(audit_text(recordings, left_out, labelled=not alone))
    for machine in [] if alone else found.machines:
        own = [recording for recording in recordings if recording.machine == machine]
        refuse_same_audio(own)
        try:
            together = brought_together(own, sample_rate=settings.get("sample_rate", "native"))
            protocol = PROTOCOLS[choose_protocol(together, window_s=1.0, hop_s=0.5)]
        except ValueError as error:  # what a run would be refused for is what one wants to know here
            protocol = f"cannot be run with windows of 1 s: {_one_line(error)}"
        print(f"{machine}: {protocol}" if machine else protocol)
    return 0


def _run(arguments):
    from acoustic_nb import execute
    from acoustic_nb.inputs import find_entries

    common = {"command": arguments.command_line, "workers": arguments.workers}
    timeout_s = _timeout_s(arguments)
    if arguments.resume:
        _refuse_beside_resume(arguments, "run", SOUND_OPTIONS)
        run = execute.resume_run(_find_run(arguments.resume, arguments), timeout_s=arguments.timeout, **common)
        if (run.folder.parent / "overview.json").exists():
            from acoustic_nb.machines import write_overview

            write_overview(run.folder.parent)
        if (run.folder.parent / BATCH).exists():
            from acoustic_nb.batches import refresh_overview

            refresh_overview(run.folder.parent)
    else:
        inputs, chosen = _sound(arguments)
        settings = {
            "name": arguments.name, "inputs": inputs, "parameters": {**_parameters(arguments), **chosen},
            "only": _only(arguments), "sensitivity": arguments.sensitivity, "timeout_s": timeout_s, **common}
        machines = find_entries(inputs).machines
        if len(machines) > 1:
            return _run_machines(machines, arguments, settings)
        run = execute.start_run(_runs_dir(arguments), **settings)
    return _told(run)


def _score(arguments):
    from acoustic_nb.model_card import verdict_of
    from acoustic_nb.scored import events_table
    from acoustic_nb.scorings import score_files

    bundle = _load_bundle(arguments)
    folder, scored, alarm, limits, left_out = score_files(
        bundle, arguments.paths, _runs_dir(arguments), name=arguments.name, gap_s=arguments.gap_s, shortest_s=arguments.shortest_s,
        alarm_events_per_hour=arguments.alarm_events_per_hour, alarm_share=arguments.alarm_share,
        skip_broken=arguments.skip_broken, command=arguments.command_line)
    arguments.status = ALARM if alarm.alarm else 0  # also where nobody reads on
    for path, reason in left_out:
        print(f"left out: {path}: {reason}")
    for each in scored:
        for sentence in each.unlike:
            print(f"outside of what this detector was made for: {each.recording.name}: {sentence}")
    width = max(len(each.recording.name) for each in scored)
    for each in scored:
        whole = ""
        if each.whole:
            whole = f", as a whole {'flagged' if each.whole['flagged'] else 'not flagged'} (p {each.whole['p_value']:.2g})"
        print(f"{each.recording.name:{width}}  {each.recording.duration_s:.1f} s  {each.flagged_share:.1%} of windows flagged, "
              f"highest score {each.scores.max():.4g} (p {each.smallest_p:.2g}){whole}, {len(each.events)} "
              f"event{'s' * (len(each.events) != 1)}, {each.events_per_hour:.1f} per hour")
    _print_events(events_table(scored))
    for sentence in (*alarm.sentences, limits.sentence):
        print(sentence)
    print(f"what the run of this detector had shown: {_first_sentence(verdict_of(bundle.card))}")
    print(folder / "index.html")
    return arguments.status


def _print_events(events):
    """The worst events, a line each."""
    if len(events) > MOST_EVENTS:
        print(f"the worst {MOST_EVENTS} of {len(events)} events; all are in events.csv:")
    width = max(map(len, events["recording"][:MOST_EVENTS]), default=0)
    for number, event in events.head(MOST_EVENTS).iterrows():
        print(f"{number:3}  {event['recording']:{width}}  {event['start_s']:.2f} to {event['end_s']:.2f} s, peak "
              f"{event['peak_s']:.2f} s, score {event['peak_score']:.4g} (p {event['p_value']:.2g}): {event['reasons']}")


def _watch(arguments):
    from acoustic_nb.alarms import limits_of
    from acoustic_nb.watching import watch_folder

    if bool(arguments.folder) == bool(arguments.input):
        raise ValueError("watch takes a folder and a bundle, or --input and a bundle: acoustic-nb watch FOLDER RUN/gmm/bundle")
    if arguments.input and arguments.once:
        raise ValueError("--once scores what is in a folder, and --input names a microphone; leave one out")
    bundle = _load_bundle(arguments)
    settings = {"gap_s": arguments.gap_s, "shortest_s": arguments.shortest_s}
    limits = limits_of(bundle, newest=bool(arguments.input), events_per_hour=arguments.alarm_events_per_hour,
                       share=arguments.alarm_share, **settings)
    if arguments.input:
        from acoustic_nb.microphone import watch_input

        to = Path(arguments.to or _runs_dir(arguments) / f"watch_microphone_{bundle.name}")
        named = int(arguments.input) if arguments.input.isdecimal() else arguments.input
        alarm = watch_input(None if named == "default" else named, bundle, to, limits=limits, **settings)
    else:
        to = Path(arguments.to or _runs_dir(arguments) / f"watch_{Path(arguments.folder).absolute().name}_{bundle.name}")
        troubles = []
        alarm = watch_folder(arguments.folder, bundle, to, limits=limits, once=arguments.once, on_trouble=troubles.append,
                             **settings)
        if arguments.once and troubles and not alarm:
            return arguments.error_status
    return ALARM if alarm else 0


def _load_bundle(arguments):
    from acoustic_nb.bundles import load_bundle
    from acoustic_nb.layouts import AUDIO
    from acoustic_nb.scorings import check_merging

    check_merging(arguments.gap_s, arguments.shortest_s)
    path = Path(arguments.bundle)
    if path.suffix[1:].lower() in AUDIO:
        raise ValueError(f"{path}: is a recording, but a bundle comes first, such as {_runs_dir(arguments) / 'RUN/gmm/bundle'}")
    beside = _runs_dir(arguments) / path  # as the first page of a run names it
    bundle = load_bundle(beside if beside.exists() and not path.exists() else path)
    return bundle if arguments.false_alarm_rate is None else bundle.at_rate(arguments.false_alarm_rate)


def _batch(arguments):
    from acoustic_nb import batches

    engine = {"workers": arguments.workers, "scheduler": arguments.scheduler, "host": arguments.host}
    if arguments.scheduler and (arguments.host or arguments.workers):
        raise ValueError("--scheduler brings its own workers and addresses; leave out --workers and --host")
    timeout_s = _timeout_s(arguments)
    if arguments.resume:
        _refuse_beside_resume(arguments, "batch", ("table", "grid", "dry_run"))
    elif not arguments.table:
        raise ValueError("a batch needs a table, a row for each run: acoustic-nb batch jobs.csv")
    try:
        if arguments.resume:
            folder = batches.resume_batch(_find_batch(arguments.resume, arguments), command=arguments.command_line,
                                          timeout_s=arguments.timeout, **engine)
            return _told_batch(folder)
        folder = batches.start_batch(
            _runs_dir(arguments), arguments.table, name=arguments.name, grid=arguments.grid, parameters=_parameters(arguments),
            only=_only(arguments), sensitivity=arguments.sensitivity, command=arguments.command_line, timeout_s=timeout_s,
            dry_run=arguments.dry_run, **engine)
    except batches.WrongRows as error:
        for problem in error.problems:
            print(" ".join(problem.split()), file=sys.stderr)
        raise
    except batches.Stopped as error:
        print(f"acoustic-nb: {error}", file=sys.stderr)
        return 1
    return _told_batch(folder) if folder else 0


def _told_batch(folder):
    """Say how a batch went; the exit status."""
    from acoustic_nb.batches import batch_runs

    counts, failed = Counter(), 0
    for run in batch_runs(folder):
        counts[run.read_manifest()["verdict"]["kind"]] += 1
        failed += sum(status["status"] not in FINE for status in run.statuses().values())
    failures = f"; {failed} notebooks failed" if failed else ""
    print(", ".join(f"{number} {kind}" for kind, number in counts.most_common()) + failures)
    print(folder / "index.html")
    return 1 if failed else 0


def _only(arguments):
    return None if arguments.only is None else [name.strip() for name in arguments.only.split(",") if name.strip()]


def _timeout_s(arguments):
    from acoustic_nb.execute import TIMEOUT_S

    if arguments.timeout is not None and not 0 < arguments.timeout < float("inf"):
        raise ValueError(f"--timeout is a positive number of seconds, got {arguments.timeout:g}")
    return arguments.timeout or TIMEOUT_S


def _refuse_beside_resume(arguments, what, options):
    for option in (*options, "name", "parameters", "params", "only", "sensitivity"):
        if getattr(arguments, option):
            shown = {"parameters": "-p", "table": "table"}.get(option, f"--{option.replace('_', '-')}")
            raise ValueError(f"--resume goes on with what the {what} was started with and takes no {shown}; "
                             f"leave {shown} out, or start a new {what}")


def _run_machines(machines, arguments, settings):
    from acoustic_nb.machines import start_runs

    folder, runs, refused = start_runs(_runs_dir(arguments), machines, **settings)
    status = max(_told(run) for run in runs.values())
    for machine, reason in refused.items():
        print(f"{machine}: not run: {reason}")
    print(folder / "index.html")
    return 1 if refused else status


def _told(run):
    """Say how a run went; the exit status."""
    statuses = run.statuses()
    for job, status in statuses.items():
        if status["status"] != "ok":
            print(f"{job}: {status['status']}: {status['error']}")
    print(_first_sentence(run.read_manifest()["verdict"]))
    print(run.folder / "index.html")
    return 0 if all(status["status"] in FINE for status in statuses.values()) else 1


def _first_sentence(verdict):
    first, _, rest = verdict["text"].partition(". ")
    return f"{verdict['kind']}: {first}{'.' if rest else ''}"


def _list(arguments):
    runs_dir = _runs_dir(arguments)
    runs = _runs(runs_dir)
    batches = {run.folder.parent for run in runs if (run.folder.parent / BATCH).exists()}
    scorings = [path.parent for path in runs_dir.glob(f"*/{SCORING}")]
    if not runs and not scorings:
        print(f"no runs in {runs_dir}; `acoustic-nb run` makes one")
    lines = {folder.name: _listed(folder, [run for run in runs if run.folder.parent == folder], folder.name, "batch")
             for folder in batches}
    for run in runs:
        if run.folder.parent not in batches:
            inside = run.folder.parent.absolute() != runs_dir.absolute()
            name = f"{run.folder.parent.name}/{run.folder.name}" if inside else run.folder.name
            lines[run.folder.name] = _listed(run.folder, [run], name, "run")
    for folder in scorings:
        lines[folder.name] = _listed_scoring(folder)
    for name in sorted(lines, reverse=True):
        print(lines[name])
    return 0


def _listed_scoring(folder):
    """Two lines on new recordings that were scored."""
    kept = json.loads((folder / SCORING).read_text(encoding="utf-8"))
    recordings, alarm = kept["recordings"], "ALARM" if kept["alarm"]["alarm"] else "no alarm"
    outside = sum(bool(each["unlike"]) for each in recordings)
    said = f"{alarm}; {outside} of {len(recordings)} outside of what the detector was made for" if outside else alarm
    by = f"{kept['bundle']['detector']} of {kept['bundle']['run']}"
    what = f"{len(recordings)} recording{'s' * (len(recordings) != 1)}"
    return f"{folder.name}  scoring of {what} by {by}  {_size(folder)}\n    {said}"


def _listed(folder, runs, name, command):
    """Two lines on a run, or on the runs of a batch."""
    from acoustic_nb.runners import is_running

    statuses = Counter(status["status"] for run in runs for status in run.statuses().values())
    total, verdicts = sum(statuses.values()), [run.read_manifest()["verdict"] for run in runs]
    state = ""
    if is_running(folder):
        state = "  running"
    elif statuses["queued"] or statuses["running"]:
        state = f"  interrupted, `acoustic-nb {command} --resume` goes on"
    skipped = f", {statuses['skipped']} skipped" if statuses["skipped"] else ""
    n_failed = total - sum(statuses[status] for status in (*FINE, "queued", "running"))
    failed = f", {n_failed} failed" if n_failed else ""
    what = f"batch of {len(runs)} runs, " if command == "batch" else ""
    kinds = Counter(verdict["kind"] for verdict in verdicts)
    said = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common()) if what else _first_sentence(verdicts[0])
    return f"{name}  {what}{statuses['ok']}/{total} ok{skipped}{failed}{state}  {_size(folder)}\n    {said}"


def _remove(arguments):
    from acoustic_nb.runners import is_running

    beside = next((path for path in (Path(arguments.run), _runs_dir(arguments) / arguments.run)
                   if any((path / file).is_file() for file in ("overview.json", BATCH, SCORING))), None)
    runs = _runs(beside) if beside else [_find_run(arguments.run, arguments)]
    folder = beside.absolute() if beside else runs[0].folder
    if (folder.parent / BATCH).is_file():
        raise ValueError(f"{folder}: belongs to a batch, whose overview needs it; remove {folder.parent.name}, or nothing")
    if any(is_running(each) for each in (folder, *(run.folder for run in runs))):
        raise ValueError(f"{folder}: is running; wait for it, or end it first")
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise ValueError(f"{folder}: is removed only with --yes where nobody can be asked")
        if input(f"remove {folder} ({_size(folder)})? [y/N] ").strip().lower() not in ("y", "yes"):
            print("kept")
            return 0
    shutil.rmtree(folder)
    print(f"removed {folder}")
    return 0


def _cache(arguments):
    import time

    from acoustic_nb import cache

    folder = cache.cache_folder()
    if arguments.clear:
        n_entries, n_bytes = cache.clear()
        print(f"removed {_counted(n_entries)}, {n_bytes / 1e6:.1f} MB, from {folder}")
        return 0
    limit_bytes, found = cache.cache_limit_bytes(), cache.entries()
    size = sum(n_bytes for _, n_bytes, _ in found)
    oldest = f", the oldest last used {time.strftime('%Y-%m-%d %H:%M', time.localtime(found[0][2]))}" if found else ""
    print(f"{folder}\n    {_counted(len(found))}, {size / 1e6:.1f} of {limit_bytes / 1e6:g} MB{oldest}\n"
          f"    `acoustic-nb cache --clear` empties it; {cache.FOLDER_VARIABLE} names another folder, {cache.LIMIT_VARIABLE} "
          "another limit in MB")
    return 0


def _counted(n_entries):
    return f"{n_entries or 'no'} {'entry' if n_entries == 1 else 'entries'}"


def _params(arguments):
    from acoustic_nb import parameters

    listed = {job: parameters.notebook_parameters(path) for job, path in parameters.find_notebooks().items()
              if job != parameters.SCORE}  # which -p cannot reach
    rows = {}
    for job, entries in listed.items():
        for name, entry in entries.items():
            if name not in parameters.GIVEN_BY_THE_RUN:
                rows.setdefault((name, entry["type"], repr(entry["default"]), entry["help"]), []).append(job)
    detectors = [job for job in listed if job not in parameters.AFTERWARDS]
    table = [("name", "type", "default", "notebooks", "what it sets")]
    for (name, kind, default, text), jobs in rows.items():
        if jobs[:len(detectors)] == detectors:
            jobs = ["all detectors", *jobs[len(detectors):]]
        table.append((name, kind, default, ", ".join(jobs), text))
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    for row in table:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip())
    return 0


def _doctor(arguments):
    import psutil

    from acoustic_nb import machine

    problems = []
    versions = machine.versions()
    print(f"python      {versions.pop('python')}  {sys.executable}")
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        problems.append("Python 3.11, 3.12 or 3.13 is needed; make a new environment with one of them")
    for package, version in versions.items():
        print(f"            {package} {version or 'MISSING'}")
    if missing := [package for package, version in versions.items() if version is None]:
        problems.append(f"{', '.join(missing)} missing; run `make run`, or install the package again with pip")
    for check in (_doctor_kernel, _doctor_audio, _doctor_notebooks):
        try:
            check()
        except (ValueError, OSError, ImportError) as error:
            problems.append(_one_line(error))
    memory = psutil.virtual_memory()
    print(f"machine     {machine.cores()} cores, {memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB memory free, "
          f"{machine.worker_count(1000)} notebooks at once")
    if memory.available < machine.KERNEL_MEMORY_BYTES:
        problems.append(f"only {memory.available / 2**30:.1f} GiB of memory are free and a notebook needs 1.5; close programs")
    runs_dir = _runs_dir(arguments).absolute()
    there = next(folder for folder in (runs_dir, *runs_dir.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    print(f"runs        {runs_dir}, {free / 2**30:.1f} GiB free on this disk")
    if not os.access(there, os.W_OK):
        problems.append(f"{there}: may not be written by this user; choose another folder with --runs-dir")
    if free < 2**29:
        problems.append(f"{there}: less than 0.5 GiB free on this disk; `acoustic-nb remove` deletes runs")
    for problem in problems:
        print(f"problem     {problem}")
    print("all well" if not problems else f"{len(problems)} problem{'s' * (len(problems) > 1)}")
    return 1 if problems else 0


def _doctor_kernel():
    from acoustic_nb import machine

    print(f"kernel      python3  {machine.kernel_python()}")
    machine.check_kernel()


def _doctor_audio():
    import soundfile

    print(f"audio       {soundfile.__libsndfile_version__}: {', '.join(sorted(soundfile.available_formats()))}")


def _doctor_notebooks():
    from acoustic_nb import parameters

    notebooks = parameters.find_notebooks()
    for path in notebooks.values():
        parameters.notebook_parameters(path)
    print(f"notebooks   {', '.join(notebooks)}  in {parameters.notebooks_folder()}")


def _runs_dir(arguments):
    from acoustic_nb import parameters

    return arguments.runs_dir or (parameters.CHECKOUT if parameters.in_checkout() else Path.cwd()) / "runs"


def _runs(runs_dir):
    from acoustic_nb.runs import Run

    found = [*runs_dir.glob("*/run.json"), *runs_dir.glob("*/*/run.json")] if runs_dir.is_dir() else []
    folders = sorted(found, key=lambda path: path.parent.name, reverse=True)
    return [Run(path.parent.absolute()) for path in folders if (path.parent / "status").is_dir()]


def _find_batch(name, arguments):
    found = next((folder for folder in (Path(name), _runs_dir(arguments) / name) if (folder / BATCH).is_file()), Path(name))
    return found.absolute()


def _find_run(name, arguments):
    import difflib

    from acoustic_nb.runs import Run

    beside = _runs_dir(arguments) / name
    if Path(name).exists() or beside.exists():
        folder = beside if not Path(name).is_dir() and beside.exists() else Path(name)
        if (folder / BATCH).is_file():
            raise ValueError(f"{folder}: is a batch; go on with it by: acoustic-nb batch --resume {shlex.quote(name)}")
        return Run.open(folder)
    known = _runs(_runs_dir(arguments))
    same = [run for run in known if run.folder.name == name]
    if len(same) == 1:
        return same[0]
    if same:
        raise FileNotFoundError(f"{name}: {len(same)} runs are called so, {', '.join(str(run.folder) for run in same)}; "
                                "give the path")
    names = [run.folder.name for run in known]
    close = difflib.get_close_matches(name, names, n=1) or [each for each in names if name in each][:1]
    hint = f", did you mean {close[0]}?" if close else ""
    raise FileNotFoundError(f"there is no run {name!r} here or in {_runs_dir(arguments)}{hint}; `acoustic-nb list` shows them")


def _parameters(arguments):
    """What --params and -p set, as ``{name: value}``."""
    given = _read_yaml(arguments.params) if arguments.params else {}
    for words in arguments.parameters:
        name, equals, value = words[0].partition("=")
        if not name or (bool(equals) + len(words)) != 2:
            raise ValueError(f"-p takes a name and a value, -p window_s 0.5 or -p window_s=0.5, got -p {' '.join(words)}")
        given[name] = value if equals else words[1]
    return given


def _read_yaml(path):
    import yaml

    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); --params names a YAML file") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is no text in UTF-8; --params names a YAML file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ValueError(f"{path}{line}: is no YAML ({getattr(error, 'problem', None) or error}); "
                         "write one `name: value` per line") from None
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise ValueError(f"{path}, line 1: holds a {type(found).__name__}, but parameters are `name: value`, one per line")
    return found


def _size(folder):
    size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{size / 1e6:.1f} MB"


def _one_line(error):
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
