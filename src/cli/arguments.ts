import { InvalidArgumentError } from 'commander'

/** How many. @throws {InvalidArgumentError} it is no whole number from 1. */
export function countOf(text: string): number {
  const count = Number(text)
  if (Number.isSafeInteger(count) && count >= 1) return count
  throw new InvalidArgumentError('It is a whole number from 1.')
}

const MOMENT = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/

/** A moment that means the same on every machine. @throws {InvalidArgumentError} it is none, or has no zone. */
export function momentOf(text: string): Date {
  const moment = new Date(text)
  const day = text.slice(0, 10)
  // JavaScript takes the 31st of February for the 3rd of March.
  const isDay = Number.isFinite(Date.parse(day)) && new Date(day).toISOString().startsWith(day)
  if (MOMENT.test(text) && isDay && Number.isFinite(moment.getTime())) return moment
  throw new InvalidArgumentError('It is a day (2026-11-27, in UTC) or a time with its zone (2026-11-27T09:00Z).')
}

/** Collects an option that may be given more than once, out of these words. */
export function oneOf<Word extends string>(words: readonly Word[]) {
  return (text: string, before: readonly Word[] = []): readonly Word[] => {
    const word = words.find((each) => each === text)
    if (word === undefined) throw new InvalidArgumentError(`It is one of: ${words.join(', ')}.`)
    return [...before, word]
  }
}
