import { run } from 'graphile-worker'
import { counterfoil, databaseUrl, type Order, pay } from './payments.js'

export async function startWorker() {
  await counterfoil.start()
  const runner = await run({
    connectionString: databaseUrl,
    taskList: {
      pay: async (payload, { query }) => {
        const order = payload as Order
        const payment = await pay(order)
        // graphile-worker keeps no results. This may run again, and then writes the same.
        await query('UPDATE orders SET payment = $2 WHERE id = $1', [order.id, JSON.stringify(payment)])
      },
    },
  })
  return { submit: (order: Order) => runner.addJob('pay', order, { maxAttempts: 50 }) }
}
