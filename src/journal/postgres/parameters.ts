import type { ClaimTerms, Intent, JournalWrite } from '../../protocol/index.js'
import { bareArray, textArray } from './array-literal.js'
import { binaryArrays } from './binary-arrays.js'
import { jsonText } from './row.js'

/** The first eleven parameters of `enqueue`: one array per column, as every driver of a caller's transaction takes them. */
export function intentColumns(intents: readonly Intent[]): unknown[] {
  return [
    intents.map((each) => each.id),
    intents.map((each) => each.namespace),
    intents.map((each) => each.effect),
    intents.map((each) => each.key),
    intents.map((each) => each.generation),
    intents.map((each) => each.reference),
    intents.map((each) => JSON.stringify(each.input)),
    intents.map((each) => each.fingerprint),
    intents.map((each) => each.serializeKey),
    intents.map((each) => each.group),
    intents.map((each) => each.hasSettledHandler),
  ]
}

/** The same, as the journal's own driver takes them. */
export function ownIntentColumns(intents: readonly Intent[]): (Buffer | string)[] {
  const [ids, keys, references, inputs, fingerprints] = binaryArrays([
    ['uuid', intents.map((each) => each.id)],
    ['text', intents.map((each) => each.key)],
    ['text', intents.map((each) => each.reference)],
    ['json', intents.map((each) => JSON.stringify(each.input))],
    ['text', intents.map((each) => each.fingerprint)],
  ])
  return [
    ids,
    textArray(intents.map((each) => each.namespace)),
    textArray(intents.map((each) => each.effect)),
    keys,
    bareArray(intents.map((each) => each.generation)),
    references,
    inputs,
    fingerprints,
    textArray(intents.map((each) => each.serializeKey)),
    textArray(intents.map((each) => each.group)),
    bareArray(intents.map((each) => each.hasSettledHandler)),
  ]
}

/** The first eleven parameters of `enqueueOne`. */
export function intentValues(intent: Intent): unknown[] {
  const { id, namespace, effect, key, generation, reference } = intent
  const { input, fingerprint, serializeKey, group, hasSettledHandler } = intent
  const identity = [id, namespace, effect, key, generation, reference]
  return [...identity, JSON.stringify(input), fingerprint, serializeKey, group, hasSettledHandler]
}

/** An intent that is to be claimed at once. */
export interface BeginItem {
  readonly intent: Intent
  readonly terms: ClaimTerms
}

/** The first fourteen parameters of `begin`. What many of a batch have in common travels once: their kind. */
export function beginColumns(items: readonly BeginItem[]): (Buffer | string | null)[] {
  const kinds: BeginItem[] = []
  const kindOf = (item: BeginItem): number => {
    const known = kinds.findIndex((kind) => isOfKind(item, kind))
    return known === -1 ? kinds.push(item) : known + 1
  }
  const [ids, keys, references, inputs, fingerprints, owners] = binaryArrays([
    ['uuid', items.map(({ intent }) => intent.id)],
    ['text', items.map(({ intent }) => intent.key)],
    ['text', items.map(({ intent }) => intent.reference)],
    ['json', items.map(({ intent }) => JSON.stringify(intent.input))],
    ['text', items.map(({ intent }) => intent.fingerprint)],
    ['text', items.map(({ terms }) => terms.owner)],
  ])
  return [
    ...[ids, keys, references, inputs, fingerprints],
    // Nearly always: none has one.
    items.every(({ intent }) => intent.group === null) ? null : textArray(items.map(({ intent }) => intent.group)),
    owners,
    bareArray(items.map(kindOf)),
    textArray(kinds.map(({ intent }) => intent.namespace)),
    textArray(kinds.map(({ intent }) => intent.effect)),
    bareArray(kinds.map(({ intent }) => intent.generation)),
    bareArray(kinds.map(({ intent }) => intent.hasSettledHandler)),
    bareArray(kinds.map(({ terms }) => terms.leaseMs)),
    bareArray(kinds.map(({ terms }) => terms.timeoutMs)),
  ]
}

/** The first thirteen parameters of `beginOne`. */
export function beginValues({ intent, terms }: BeginItem): unknown[] {
  return [
    intent.id,
    intent.key,
    intent.reference,
    JSON.stringify(intent.input),
    intent.fingerprint,
    intent.group,
    terms.owner,
    intent.namespace,
    intent.effect,
    intent.generation,
    intent.hasSettledHandler,
    terms.leaseMs,
    terms.timeoutMs,
  ]
}

function isOfKind({ intent, terms }: BeginItem, kind: BeginItem): boolean {
  return (
    intent.effect === kind.intent.effect &&
    intent.namespace === kind.intent.namespace &&
    intent.generation === kind.intent.generation &&
    intent.hasSettledHandler === kind.intent.hasSettledHandler &&
    terms.leaseMs === kind.terms.leaseMs &&
    terms.timeoutMs === kind.terms.timeoutMs
  )
}

/** The first five parameters of `succeed`. */
export function successColumns(successes: readonly JournalWrite[]): (Buffer | string)[] {
  const [ids, owners, receipts, externalIds] = binaryArrays([
    ['uuid', successes.map(({ id }) => id)],
    ['text', successes.map(({ owner }) => owner)],
    ['json', successes.map(({ change }) => jsonText(change.receipt))],
    ['text', successes.map(({ change }) => change.externalId)],
  ])
  return [ids, bareArray(successes.map(({ fence }) => fence)), owners, receipts, externalIds]
}

/** The first five parameters of `succeedOne`. */
export function successValues({ id, fence, owner, change }: JournalWrite): unknown[] {
  return [id, fence, owner, jsonText(change.receipt), change.externalId]
}

/** The first sixteen parameters of `write`. */
export function writeColumns(writes: readonly JournalWrite[]): (Buffer | string)[] {
  const [ids, receipts, externalIds, reasons, owners] = binaryArrays([
    ['uuid', writes.map(({ id }) => id)],
    ['json', writes.map(({ change }) => jsonText(change.receipt))],
    ['text', writes.map(({ change }) => change.externalId)],
    ['json', writes.map(({ change }) => jsonText(change.reason))],
    ['text', writes.map(({ owner }) => owner)],
  ])
  return [
    ids,
    bareArray(writes.map(({ fence }) => fence)),
    bareArray(writes.map(({ change }) => change.state)),
    bareArray(writes.map(({ change }) => change.leaseForMs)),
    bareArray(writes.map(({ change }) => change.dueInMs)),
    bareArray(writes.map(({ change }) => change.callForMs)),
    bareArray(writes.map(({ change }) => change.callOver)),
    bareArray(writes.map(({ change }) => change.doubt)),
    bareArray(writes.map(({ change }) => change.attempts)),
    bareArray(writes.map(({ change }) => change.findFailures)),
    bareArray(writes.map(({ change }) => change.keySpent)),
    receipts,
    externalIds,
    reasons,
    bareArray(writes.map(({ change }) => change.settlement)),
    owners,
  ]
}
