/** An amount as services keep it: a whole number of the currency's smallest unit. */
export interface Money {
  /** A whole number from 0, at most 2^53 − 1. */
  readonly minorUnits: number
  /** ISO 4217, in either case: `eur` and `EUR` are the same. */
  readonly currency: string
}

/** The currency as it is compared and stored: in lower case. */
export function currencyCode(currency: string): string {
  return currency.toLowerCase()
}

/** What is wrong with an amount that a service or a caller gave; null where nothing is. */
export function moneyProblem(money: { readonly minorUnits: unknown; readonly currency: unknown }): string | null {
  return minorUnitsProblem(money.minorUnits) ?? currencyProblem(money.currency)
}

/** What keeps a value from being an amount in minor units; null where nothing does. */
export function minorUnitsProblem(minorUnits: unknown): string | null {
  if (typeof minorUnits !== 'number') return `is ${typeof minorUnits}, not a number of minor units`
  if (!Number.isSafeInteger(minorUnits)) return `is ${minorUnits}: amounts are whole numbers of minor units`
  return minorUnits < 0 ? `is ${minorUnits}, below 0` : null
}

function currencyProblem(currency: unknown): string | null {
  if (typeof currency === 'string' && /^[A-Za-z]{3}$/.test(currency)) return null
  return currency === undefined || currency === null || currency === ''
    ? 'has no currency'
    : `has the currency ${JSON.stringify(currency)}, which is no ISO 4217 code`
}

/** Whether two amounts are the same money. */
export function isSameMoney(one: Money, other: Money): boolean {
  return one.minorUnits === other.minorUnits && currencyCode(one.currency) === currencyCode(other.currency)
}
