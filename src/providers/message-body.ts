import { NotExecuted } from '../protocol/index.js'

/** What a message says: bytes or text as they are, or a value as JSON. */
export type MessageBody = { readonly content: Uint8Array | string } | { readonly json: unknown }

/** A message's body as bytes. @throws TypeError when it is no JSON, as `JSON.stringify` does. */
export function bytesOf(body: MessageBody): Uint8Array {
  if ('content' in body) return typeof body.content === 'string' ? Buffer.from(body.content) : body.content
  const text: string | undefined = JSON.stringify(body.json)
  if (text === undefined) throw new TypeError('The message has no body: `json` is undefined.')
  return Buffer.from(text)
}

/** A bug in the user's function is no doubt about the message: nothing was sent, and a mended one may try again. */
export function madeBy<Made>(make: () => Made): Made {
  try {
    return make()
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause)
    throw new NotExecuted('message_failed', `The message could not be made, so nothing was sent: ${said}`, { cause })
  }
}
