// `npm run bench:doc -- results.json`: docs/performance.md, from the figures of one run.
import { readFile, writeFile } from 'node:fs/promises'
import { NODE_SETTINGS } from './client-process.js'
import { describePromise, promisesOf } from './promises.js'
import { CHECKED, checkedOf, figuresOf, HEAD, titleOf } from './report/table.js'
import type { Results } from './results.js'
import { WARM_MS } from './sample.js'

function pageOf(run: Results): string {
  const waits = [...new Set(run.rows.map(({ gatewayMs }) => gatewayMs))]
  return `${[
    INTRODUCTION,
    '![Effects a second by system and callers](pictures/performance.svg)',
    ...waits.map((gatewayMs) => `## The service answers after ${gatewayMs} ms\n\n${speedTable(run, gatewayMs)}`),
    COLUMNS,
    `## What reached the service\n\n${CORRECTNESS}\n\n${correctnessTable(run)}`,
    `## What each promises\n\n${run.systems.map(({ title, promise }) => `* **${title}**: ${promise}`).join('\n')}`,
    `## What we hold ourselves to\n\n${promises(run)}`,
    BOUNDS,
    `## How it was measured\n\n${circumstances(run)}`,
  ].join('\n\n')}\n`
}

const INTRODUCTION = `# Performance

*This page is made by a command, from one run on one machine: \`npm run bench -- --json results.json --svg
docs/pictures/performance.svg && npm run bench:doc -- results.json\`. Absolute figures move with the machine; compare
within a table.*

Two durable commits an effect, the intent before the call and the outcome after it, are the price of the promise.
Concurrent effects of one process share them: what waits together is one statement and one commit. No timer holds any of
them back, so that a lone call waits for nobody.

\`npm run bench -- --quick\` checks, by generous bounds, the ratios that we hold ourselves to, and that nothing is charged
twice. CI runs it.`

const COLUMNS = `Effects a second are medians of interleaved rounds, ± half their spread. Latency is what a system adds to the
bare call (queues answer nobody, so they have none). Statements, commits and bytes of WAL are the database's own count,
per effect; µs are CPU of the client's process and of the database's, per effect.`

const CORRECTNESS = `A thousand keys, each asked for by ten callers at once, in one process and, where a system's callers may be in
several, in two: more than 1,000 calls are double charges. Answers a second are the median of up to five such bursts (queues: of one). And
a worker killed by SIGKILL with 64 calls in flight that the service carries out: how many of the 64 are charged a second
time.`

const BOUNDS = `## Where the time goes

At saturation the processors are the bound, not the disk: the commits are shared until they weigh nothing, and what an
effect costs is its client's and its database's CPU in the tables. \`npm run bench -- --systems counterfoil --callers 256
--profile FOLDER\` writes CPU profiles of the client. In their order: system calls that send (to the service, mostly),
collecting garbage, Node's HTTP client, and then our own: two statements' parameters, canonical JSON, the hashes that
name an effect, the forms of an entry. The garbage is a part of what the form by hand saves: V8 copies whatever waits
with an effect under way, its entry, its promises, each time it collects. The rest is the fingerprint of the input, the
fence and the owner, and in the database the wider row. What lasts of a row is written to the WAL once, so that with many
callers the bytes of an effect are about those of the form by hand. Arrays come to it in binary, ids of keys that follow each other lie in one page of the index, and the
statements of the happy path see to the rules of a row's state in their own plans, which are made once.

With one caller an effect is its two statements, one after the other: each waits for the disk and for its way through the
server, which the columns of a row and the note of what is under way make longer than that of the form by hand. Most of
that is no work on the row: PostgreSQL makes a statement's expressions ready anew each time it runs, those of each
index's condition too, and opens every index for an update that touches none. A batch shares that among its rows.

Between the two, with some dozen callers, nothing is busy: a profile shows the client idle for the most part. An effect
lasts as long as three statements, the one that writes its intent, the one that is under way while its call is made, and
the one that writes its outcome; and a statement as long as the disk, and the waking of processes that sleep, take. More
statements side by side cost as much as they spare. So did a statement held back for calls that were about to end: both
were measured, and neither was kept.

Of ten thousand callers at once, each has his input copied, checked and compared with what the key stands for, where the
form by hand looks for the key alone; from then on they share a promise in both. The form by hand in which each is for
himself asks the database, as it must where they are in several processes.`

function speedTable(run: Results, gatewayMs: number): string {
  const rows = run.rows.filter((row) => row.gatewayMs === gatewayMs)
  return table(
    HEAD,
    rows.map((row) => [titleOf(run, row.system), ...figuresOf(run, row)]),
  )
}

function correctnessTable(run: Results): string {
  return table(
    CHECKED,
    run.correctness.map((each) => [titleOf(run, each.system), ...checkedOf(each)]),
  )
}

function promises(run: Results): string {
  return ['```', ...promisesOf(run, false).map(describePromise), '```'].join('\n')
}

function circumstances({ measuredAt, machine, versions, settings, run, leftOut }: Results): string {
  const { cpu, cores, memoryGiB, platform, loadBefore, loadAfter } = machine
  return [
    `* ${measuredAt.slice(0, 10)}: ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${platform}; the load average was ${loadBefore.toFixed(1)} before and ${loadAfter.toFixed(1)} after.`,
    `* ${run.rounds} rounds of ${run.seconds} s for each cell, in another order each time (seed ${run.seed}), each in a process that has worked for ${WARM_MS / 1000} s.`,
    `* Node with \`${NODE_SETTINGS.join(' ')}\` in every client, as suits a service that has hundreds of effects under way.`,
    `* ${pairs(versions)}.`,
    `* PostgreSQL: ${pairs(settings)}.`,
    ...leftOut.map(({ system, why }) => `* Not measured: ${system}: ${why}.`),
  ].join('\n')
}

function pairs(record: Readonly<Record<string, string>>): string {
  return Object.entries(record)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'))
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}

const [file] = process.argv.slice(2)
if (file === undefined) throw new Error('Name the file that `npm run bench -- --json FILE` wrote.')
const results = JSON.parse(await readFile(file, 'utf8')) as Results
await writeFile('docs/performance.md', pageOf(results))
