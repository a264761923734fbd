import { JournalError } from '../../protocol/index.js'
import { isBadData } from './errors.js'

/**
 * Runs a batch as one statement, and where the database refuses it for what a row holds, in halves, so that the
 * neighbours of a bad row are written all the same. The bad row comes back as its error: nothing of it was written.
 *
 * @throws what `run` throws for any other cause: a lost connection is no fault of a row.
 */
export async function runApart<Item, Result>(
  items: readonly Item[],
  run: (items: readonly Item[]) => Promise<readonly Result[]>,
): Promise<readonly (Result | JournalError)[]> {
  if (items.length === 0) return []
  try {
    return await run(items)
  } catch (error) {
    if (!(error instanceof JournalError) || !isBadData(error.cause)) throw error
    if (items.length === 1) return [error]
    const half = Math.ceil(items.length / 2)
    const first = await runApart(items.slice(0, half), run)
    return [...first, ...(await runApart(items.slice(half), run))]
  }
}

/** A batch in the order of its ids, and how to bring answers back into the batch's own order. */
interface InOrder<Item> {
  readonly ordered: readonly Item[]
  readonly backInPlace: <Result>(results: readonly Result[]) => Result[]
}

/**
 * Orders a batch by its ids (items of one id stay in theirs). Two batches that share rows then wait for each other
 * instead of deadlocking.
 */
export function orderedByIds<Item>(items: readonly Item[], idOf: (item: Item) => string): InOrder<Item> {
  if (items.length < 2) return { ordered: items, backInPlace: (results) => [...results] }
  const order = items.map((item, at) => ({ item, at, id: idOf(item) }))
  order.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : a.at - b.at))
  return {
    ordered: order.map(({ item }) => item),
    backInPlace: <Result>(results: readonly Result[]) => {
      const answers = new Array<Result>(items.length)
      results.forEach((result, i) => {
        const at = order[i]?.at
        if (at !== undefined) answers[at] = result
      })
      return answers
    },
  }
}

/** Runs a batch in the order of its ids, and answers in the batch's own order. */
export async function inOrderOfIds<Item, Result>(
  items: readonly Item[],
  idOf: (item: Item) => string,
  run: (ordered: readonly Item[]) => Promise<readonly Result[]>,
): Promise<Result[]> {
  const { ordered, backInPlace } = orderedByIds(items, idOf)
  return backInPlace(await run(ordered))
}

/** Of one that a batch has no answer for. Not "stale", nor "not there": nobody may take it for undone. */
export function unanswered(id: string): JournalError {
  return new JournalError(`The write to entry ${id} came back without an answer: it may have been written. Ask again.`)
}
