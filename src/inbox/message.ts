import { type InboxMessage, InvalidMessageError, inboxId, storableText } from '../protocol/index.js'

/** A message that has come in: what names it, so that it is received once. */
export interface IncomingMessage {
  /** Where it came from: a queue, a stream, a webhook's sender. Ids of different sources never meet. 1 to 512 characters. */
  readonly source: string
  /** Its own id: the same for every delivery of it, and never that of another message. Of any length. */
  readonly id: string
  /**
   * Which part of your application receives it, where several do, each once. 1 to 512 characters. Default `'default'`.
   */
  readonly consumer?: string
}

const MAX_NAME_LENGTH = 512

/** As much of an id as is kept for people to read. */
const MAX_SHOWN_LENGTH = 512

/** @throws {InvalidMessageError} when a part is missing or cannot be stored: before anything is written. */
export function inboxMessage(namespace: string, message: IncomingMessage, retentionMs: number): InboxMessage {
  const source = checkName(message.source, 'source')
  const consumer = checkName(message.consumer ?? 'default', 'consumer')
  const messageId = checkText(message.id, 'id')
  return {
    id: inboxId(namespace, consumer, source, messageId),
    namespace,
    consumer,
    source,
    // A cut may go through a character.
    messageId: storableText(messageId.slice(0, MAX_SHOWN_LENGTH)),
    retentionMs,
  }
}

function checkName(name: unknown, what: string): string {
  const text = checkText(name, what)
  if (text.length > MAX_NAME_LENGTH) {
    throw new InvalidMessageError(`${what} is ${text.length} characters long, over the limit of ${MAX_NAME_LENGTH}`)
  }
  return text
}

function checkText(text: unknown, what: string): string {
  if (typeof text !== 'string') throw new InvalidMessageError(`${what} must be a string; it is ${typeof text}`)
  if (text === '') throw new InvalidMessageError(`${what} is empty`)
  if (storableText(text) !== text) throw new InvalidMessageError(`${what} holds U+0000 or a lone surrogate`)
  return text
}
