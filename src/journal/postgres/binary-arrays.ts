/**
 * Arrays in PostgreSQL's binary format (array_send in its sources), for the statements of every effect. The server takes
 * such a one apart at a fraction of what the text of an array costs it, which it reads character by character; `pg` sends a
 * Buffer as it is.
 */

/** Object ids of the types of elements, which are the same in every PostgreSQL (pg_type.dat). */
const OIDS = { uuid: 2950, text: 25, json: 114 } as const

/** Dimensions, whether there are nulls, the type of the elements, how many there are, and the number of the first. */
const HEADER_BYTES = 20
const LENGTH_BYTES = 4
const UUID_BYTES = 16

const ROOM_FOR_LENGTH = '\u0000'.repeat(LENGTH_BYTES)

/** The most bytes of UTF-8 that a UTF-16 unit takes. */
const MOST_BYTES_PER_UNIT = 3

/** As many as a full batch of effects of usual size takes. */
const SCRATCH_BYTES = 256 * 1024

/** Written into one after the other, and copied out of once for each statement. */
let scratch = Buffer.allocUnsafe(SCRATCH_BYTES)

/** The elements of an array: ids in the form of `isId`, or texts of which some may be missing. */
export type Elements =
  | readonly [type: 'uuid', values: readonly string[]]
  | readonly [type: 'text' | 'json', values: readonly (string | null)[]]

/** The arrays of one statement, as parameters for `pg`. */
export function binaryArrays<const Arrays extends readonly Elements[]>(
  arrays: Arrays,
): { [I in keyof Arrays]: Buffer } {
  const ends: number[] = []
  let end = 0
  for (const [type, values] of arrays) {
    end = type === 'uuid' ? writeUuids(end, values) : writeTexts(end, OIDS[type], values)
    ends.push(end)
  }
  // One copy of all, as others write into it before these are sent.
  const all = Buffer.from(scratch.subarray(0, end))
  // What one large batch took is given back.
  if (scratch.length > SCRATCH_BYTES) scratch = Buffer.allocUnsafe(SCRATCH_BYTES)
  // One for each of them, in their order.
  return ends.map((until, i) => all.subarray(ends[i - 1] ?? 0, until)) as { [I in keyof Arrays]: Buffer }
}

function writeUuids(from: number, values: readonly string[]): number {
  reserve(from, HEADER_BYTES + values.length * (LENGTH_BYTES + UUID_BYTES))
  let at = writeHeader(from, OIDS.uuid, values.length)
  for (const value of values) at = writeUuid(at, value)
  return at
}

function writeTexts(from: number, oid: number, values: readonly (string | null)[]): number {
  // Before each but the first there is room for its length; what is missing takes no byte, as the empty text.
  const joined = values.join(ROOM_FOR_LENGTH)
  reserve(from, HEADER_BYTES + LENGTH_BYTES + bytesAtMost(joined))
  const start = writeHeader(from, oid, values.length)
  if (values.length === 0) return start
  // In one call for all. Where it took as many bytes as there are characters, all are ASCII, and their lengths known.
  const written = scratch.write(joined, start + LENGTH_BYTES, 'utf8')
  if (written === joined.length) return writeLengths(start, values)
  let at = start
  for (const value of values) at = value === null ? writeInt(at, -1) : writeText(at, value)
  return at
}

function writeLengths(from: number, values: readonly (string | null)[]): number {
  let at = from
  for (const value of values) at = value === null ? writeInt(at, -1) : writeInt(at, value.length) + value.length
  return at
}

/** Without elements it has no dimension. Whether there are nulls only says who sends them. */
function writeHeader(from: number, oid: number, count: number): number {
  const at = writeInt(writeInt(writeInt(from, count === 0 ? 0 : 1), 0), oid)
  return count === 0 ? at : writeInt(writeInt(at, count), 1)
}

/** Counted only where three bytes for each character would be many. */
function bytesAtMost(text: string): number {
  const most = text.length * MOST_BYTES_PER_UNIT
  return most <= SCRATCH_BYTES ? most : Buffer.byteLength(text)
}

function reserve(from: number, bytes: number): void {
  if (from + bytes <= scratch.length) return
  const larger = Buffer.allocUnsafe(Math.max(2 * scratch.length, from + bytes))
  scratch.copy(larger, 0, 0, from)
  scratch = larger
}

function writeInt(at: number, value: number): number {
  scratch[at] = value >>> 24
  scratch[at + 1] = value >>> 16
  scratch[at + 2] = value >>> 8
  scratch[at + 3] = value
  return at + LENGTH_BYTES
}

/** With its length before it. */
function writeText(at: number, value: string): number {
  const start = at + LENGTH_BYTES
  const length = scratch.write(value, start, 'utf8')
  writeInt(at, length)
  return start + length
}

const HYPHEN = '-'.charCodeAt(0)

function writeUuid(at: number, value: string): number {
  const to = scratch
  let end = writeInt(at, UUID_BYTES)
  for (let i = 0; i < value.length; i += 2) {
    if (value.charCodeAt(i) === HYPHEN) i++
    to[end++] = (digit(value.charCodeAt(i)) << 4) | digit(value.charCodeAt(i + 1))
  }
  return end
}

/** What a hexadecimal digit is, by its code: 48 to 57, or 97 to 102. */
function digit(code: number): number {
  return code < 58 ? code - 48 : code - 87
}
