import type { ClaimTerms, Intent, JournalWrite } from '../../protocol/index.js'
import { bareArray, textArray } from './array-literal.js'
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

/** The first fourteen parameters of `begin`. */
export function beginColumns(items: readonly { readonly intent: Intent; readonly terms: ClaimTerms }[]): string[] {
  return [
    bareArray(items.map(({ intent }) => intent.id)),
    textArray(items.map(({ intent }) => intent.namespace)),
    textArray(items.map(({ intent }) => intent.effect)),
    textArray(items.map(({ intent }) => intent.key)),
    bareArray(items.map(({ intent }) => intent.generation)),
    bareArray(items.map(({ intent }) => intent.reference)),
    textArray(items.map(({ intent }) => JSON.stringify(intent.input))),
    bareArray(items.map(({ intent }) => intent.fingerprint)),
    textArray(items.map(({ intent }) => intent.serializeKey)),
    textArray(items.map(({ intent }) => intent.group)),
    bareArray(items.map(({ intent }) => intent.hasSettledHandler)),
    textArray(items.map(({ terms }) => terms.owner)),
    bareArray(items.map(({ terms }) => terms.leaseMs)),
    bareArray(items.map(({ terms }) => terms.timeoutMs)),
  ]
}

/** The first sixteen parameters of `write`. */
export function writeColumns(writes: readonly JournalWrite[]): string[] {
  return [
    bareArray(writes.map(({ id }) => id)),
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
    textArray(writes.map(({ change }) => jsonText(change.receipt))),
    textArray(writes.map(({ change }) => change.externalId)),
    textArray(writes.map(({ change }) => jsonText(change.reason))),
    bareArray(writes.map(({ change }) => change.settlement)),
    textArray(writes.map(({ owner }) => owner)),
  ]
}
