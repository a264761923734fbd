import type { System } from '../system.js'

/** The ceiling: nothing but the call. */
export const bare: System = {
  name: 'bare',
  title: 'bare HTTP call',
  promise: 'Nothing: a crash leaves no trace, and a retry charges again. It is the ceiling.',
  docs: 'https://undici.nodejs.org/',
  isQueue: false,
  takesOverItself: false,
  open: async ({ service }) => ({
    perform: (order) => service.charge(order, order.id),
    close: async () => undefined,
  }),
}
