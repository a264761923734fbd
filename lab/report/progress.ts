import type { Result } from '../result.js'

/** Where progress is written. */
export interface Terminal {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** Tells how far the lab is: one line that changes on a terminal, a line for each cell elsewhere. */
export class Progress {
  readonly #terminal: Terminal

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  say(text: string): void {
    if (this.#terminal.isTTY === true) this.#replace(text)
    else this.#terminal.write(`${text}\n`)
  }

  note(result: Result, done: number, all: number): void {
    const place = `[${String(done).padStart(String(all).length)}/${all}]`
    this.say(`${place} ${result.strategy} (${result.gateway}), ${result.fault}: ${inWords(result)}`)
  }

  /** Leaves the line empty for what follows. */
  end(): void {
    if (this.#terminal.isTTY === true) this.#replace('')
  }

  #replace(text: string): void {
    const line = this.#terminal.columns === undefined ? text : text.slice(0, this.#terminal.columns - 1)
    this.#terminal.write(`\r\u001b[2K${line}`)
  }
}

function inWords({ observed, verdict }: Result): string {
  switch (verdict) {
    case 'not-run':
      return 'not run'
    case 'clean':
      return 'held'
    case 'charged-twice':
      return `${observed?.chargedTwice} charged twice`
    case 'paid-unrecorded':
      return `${observed?.paidUnrecorded} paid but unrecorded`
    case 'recorded-unpaid':
      return `${observed?.recordedUnpaid} recorded but unpaid`
    case 'dropped':
      return `${observed?.dropped} dropped`
    case 'repaired':
      return `${observed?.repaired} charged twice and refunded`
    case 'in-doubt':
      return `${observed?.inDoubt} in doubt`
    case 'parked':
      return `${observed?.parked} parked`
  }
}
