export { Inbox, type InboxOptions, type Received } from './inbox.js'
export type { IncomingMessage } from './message.js'
export { keepInbox, type PurgeInboxOptions, purgeInbox } from './purge.js'
