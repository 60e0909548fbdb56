CREATE USER 'shop_reader'@'127.0.0.1' IDENTIFIED BY 'another secret';
GRANT SELECT ON purser.chat_session TO 'shop_reader'@'127.0.0.1';
GRANT SELECT ON purser.chat_message TO 'shop_reader'@'127.0.0.1';
