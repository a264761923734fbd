const PAGE = 'created ending_before expand limit starting_after'
const SEARCH = 'expand limit page query'

/** What a payment intent is, whether it is made or changed. */
const PAYMENT =
  'allowed_payment_method_types amount amount_details application_fee_amount capture_method currency customer customer_account description excluded_payment_method_types expand hooks metadata payment_details payment_method payment_method_configuration payment_method_data payment_method_options payment_method_types receipt_email setup_future_usage shipping statement_descriptor statement_descriptor_suffix transfer_data transfer_group'

/**
 * The parameters of each endpoint, those of Stripe's OpenAPI description and those of its newest SDK. Any other is
 * refused, as Stripe does. Those that have no part in whether money moves are accepted and have no effect.
 */
export const ACCEPTED = {
  'payment_intents.create': `${PAYMENT} automatic_payment_methods confirm confirmation_method confirmation_token error_on_requires_action mandate mandate_data off_session on_behalf_of radar_options return_url use_stripe_sdk`,
  'payment_intents.list': `${PAGE} customer customer_account`,
  'payment_intents.search': SEARCH,
  'payment_intents.retrieve': 'client_secret expand',
  'payment_intents.update': PAYMENT,
  'payment_intents.confirm':
    'allowed_payment_method_types amount_details capture_method client_secret confirmation_token error_on_requires_action excluded_payment_method_types expand hooks mandate mandate_data off_session payment_details payment_method payment_method_data payment_method_options payment_method_types radar_options receipt_email return_url setup_future_usage shipping use_stripe_sdk',
  'payment_intents.capture':
    'amount_details amount_to_capture application_fee_amount expand final_capture hooks metadata payment_details statement_descriptor statement_descriptor_suffix transfer_data',
  'payment_intents.cancel': 'cancellation_reason expand',
  'charges.create':
    'amount application_fee application_fee_amount capture card currency customer description destination expand metadata on_behalf_of radar_options receipt_email shipping source statement_descriptor statement_descriptor_suffix transfer_data transfer_group',
  'charges.list': `${PAGE} customer payment_intent transfer_group`,
  'charges.search': SEARCH,
  'charges.retrieve': 'expand',
  'charges.capture':
    'amount application_fee application_fee_amount expand receipt_email statement_descriptor statement_descriptor_suffix transfer_data transfer_group',
  'refunds.create':
    'amount charge currency customer expand instructions_email metadata origin payment_intent reason refund_application_fee reverse_transfer',
  'refunds.list': `${PAGE} charge payment_intent`,
  'refunds.retrieve': 'expand',
  'customers.create':
    'address balance business_name cash_balance coupon description email expand individual_name invoice_prefix invoice_settings metadata name next_invoice_sequence payment_method phone preferred_locales promotion_code shipping source tax tax_exempt tax_id_data test_clock validate',
  'customers.list': `${PAGE} email test_clock`,
  'customers.retrieve': 'expand',
  'events.list': `${PAGE} delivery_success type types`,
} as const
