// Workers of engines, as their examples start them; each submits an order if told to. `pg-boss=o1 bullmq=` starts two.
interface Order {
  readonly id: string
  readonly cents: number
  readonly card: string
}
interface Example {
  startWorker(lostAfterSeconds?: number): Promise<{ submit(order: Order): Promise<unknown> }>
}

await Promise.all(
  process.argv.slice(2).map(async (told) => {
    const [example, orderId = ''] = told.split('=')
    const { startWorker } = (await import(`../../examples/engines/${example}.ts`)) as Example
    const worker = await startWorker(2)
    if (orderId !== '') await worker.submit({ id: orderId, cents: 1250, card: 'pm_card_visa' })
  }),
)
