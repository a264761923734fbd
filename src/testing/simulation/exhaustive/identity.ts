/** Names for what has happened: 52 bits, so that a million of them meet once in ten thousand explorations. */
export type Identity = number

const HIGH = 2 ** 26

function mix(hash: number, value: number): number {
  let h = Math.imul(hash ^ value, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** What follows from `before` when `next` is added: the order counts. */
export function after(before: Identity, next: number): Identity {
  const low = mix(mix(mix(0x9747b28c, before % HIGH), Math.floor(before / HIGH)), next % HIGH)
  const high = mix(
    mix(mix(0x2545f491, Math.floor(before / HIGH)), before % HIGH),
    Math.floor(next / HIGH) + (next % HIGH),
  )
  return (low >>> 6) * HIGH + (high >>> 6)
}

/** The identity of a text. */
export function ofText(text: string): Identity {
  let low = 0x811c9dc5
  let high = 0x1b873593
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    low = Math.imul(low ^ code, 0x01000193)
    high = Math.imul(high ^ code, 0x5bd1e995)
    high ^= high >>> 15
  }
  return (mix(low, 1) >>> 6) * HIGH + (mix(high, 2) >>> 6)
}

/** Remembers the identity of the last text: most of what happens changes nothing of most texts. */
export class Memo {
  #text = ''
  #identity: Identity = ofText('')

  of(text: string): Identity {
    if (text !== this.#text) {
      this.#text = text
      this.#identity = ofText(text)
    }
    return this.#identity
  }
}
