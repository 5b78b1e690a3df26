"""The company's own metrics: a figure over what belongs to a customer (orders, events, records of any form that relates to
them), kept as a read-only field of the customer by the engine that keeps segments.
"""
