//! A simulated AMQP 0.9.1 broker with RabbitMQ semantics, and the part of its management API that the operator reads.
