import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.SmallIntVector;
import org.apache.arrow.vector.TimeStampMilliTZVector;
import org.apache.arrow.vector.UInt4Vector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.Dictionary;
import org.apache.arrow.vector.dictionary.DictionaryProvider;
import org.apache.arrow.vector.ipc.ArrowStreamWriter;
import org.apache.arrow.vector.types.TimeUnit;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.DictionaryEncoding;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Utils;

/**
 * A signed batch of orders, with nothing of livewatch's: Arrow, Kafka's client and the JDK.
 *
 * <p>Arguments: bootstrap, platform id, private key (PEM, PKCS #8), key id, session id, partitions.
 */
public class SendOrders {
  static final RootAllocator MEMORY = new RootAllocator();
  static final DictionaryProvider.MapDictionaryProvider CODES =
      new DictionaryProvider.MapDictionaryProvider();
  static final List<FieldVector> COLUMNS = new ArrayList<>();

  public static void main(String[] args) throws Exception {
    String bootstrap = args[0], platform = args[1], keyFile = args[2], keyId = args[3];
    String session = args[4];
    int partitions = Integer.parseInt(args[5]);
    long now = System.currentTimeMillis();
    time("event_time", now - 1_000);
    for (String name : List.of("session_id", "room_pid", "streamer_pid", "mcn_pid", "merchant_pid"))
      text(name, name.equals("mcn_pid") ? null : session);
    code("base_id", null, true);
    code("district", "310115", false);
    code("category", "food", false);
    code("scenario", null, true);
    count("orders", 7);
    fen("paid_fen", 63_000);
    count("refunds", 1);
    fen("refunded_fen", 9_000);

    var stream = new ByteArrayOutputStream();
    try (var root = new VectorSchemaRoot(COLUMNS);
        var writer = new ArrowStreamWriter(root, CODES, stream)) {
      root.setRowCount(1);
      writer.start();
      writer.writeBatch();
      writer.end();
    }
    byte[] value = stream.toByteArray();

    // The partition of a session is that of Kafka's own partitioner, with the session as the key.
    String topic = "telemetry.orders.v1";
    int partition = Utils.toPositive(Utils.murmur2(session.getBytes(StandardCharsets.UTF_8)));
    partition %= partitions;
    var headers = new TreeMap<String, String>(); // sorted by name, as they are signed
    headers.put("ce_specversion", "1.0");
    headers.put("ce_id", now + "/" + topic + "/" + partition + "/0");
    headers.put("ce_source", "/platforms/" + platform + "/sources/java-1");
    headers.put("ce_type", "cn.livewatch.telemetry.orders.v1");
    headers.put("ce_time", Instant.ofEpochMilli(now).truncatedTo(ChronoUnit.MILLIS).toString());
    headers.put("content-type", "application/vnd.apache.arrow.stream");
    headers.put("ce_epoch", Long.toString(now)); // greater with every start
    headers.put("ce_sequence", "0"); // counts up per epoch, topic and partition
    headers.put("ce_rows", "1");
    headers.put("ce_watermark", Long.toString(now - 1_000));
    headers.put("ce_keyid", keyId);
    headers.put("ce_signature", sign(keyFile, topic, partition, headers, value));

    var settings =
        Map.<String, Object>of("bootstrap.servers", bootstrap, "acks", "all",
            "enable.idempotence", true);
    var bytes = new ByteArraySerializer();
    try (var producer = new KafkaProducer<byte[], byte[]>(settings, bytes, bytes)) {
      var record = new ProducerRecord<byte[], byte[]>(topic, partition, null, value);
      headers.forEach((n, v) -> record.headers().add(n, v.getBytes(StandardCharsets.UTF_8)));
      var sent = producer.send(record).get();
      System.out.println(sent.topic() + " " + sent.partition() + " " + sent.offset());
    }
  }

  /** Ed25519 over the canonical string of the contract. */
  static String sign(
      String keyFile, String topic, int partition, Map<String, String> headers, byte[] value)
      throws Exception {
    var message = new ByteArrayOutputStream();
    message.write(("livewatch-batch-v1\n" + topic + "\n" + partition + "\n").getBytes());
    for (var h : headers.entrySet()) {
      int length = h.getValue().getBytes(StandardCharsets.UTF_8).length;
      message.write((h.getKey() + ":" + length + ":" + h.getValue() + "\n").getBytes());
    }
    message.write('\n');
    message.write(value);
    String pem = Files.readString(Path.of(keyFile)).replaceAll("-----[^-]+-----|\\s", "");
    var encoded = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem));
    var signature = Signature.getInstance("Ed25519");
    signature.initSign(KeyFactory.getInstance("Ed25519").generatePrivate(encoded));
    signature.update(message.toByteArray());
    return Base64.getEncoder().encodeToString(signature.sign());
  }

  // One row per column is enough to show the types; a real program sets many.

  static void time(String name, long ms) {
    var type = new ArrowType.Timestamp(TimeUnit.MILLISECOND, "UTC");
    var vector = new TimeStampMilliTZVector(name, FieldType.notNullable(type), MEMORY);
    vector.setSafe(0, ms);
    keep(vector);
  }

  static void text(String name, String value) {
    var vector = new VarCharVector(name, kind(new ArrowType.Utf8(), value == null, null), MEMORY);
    if (value == null) vector.setNull(0);
    else vector.setSafe(0, value.getBytes(StandardCharsets.UTF_8));
    keep(vector);
  }

  static void code(String name, String value, boolean nullable) {
    long id = COLUMNS.size();
    var encoding = new DictionaryEncoding(id, false, new ArrowType.Int(16, true));
    var entries = new VarCharVector(name, MEMORY);
    entries.allocateNew();
    if (value != null) entries.setSafe(0, value.getBytes(StandardCharsets.UTF_8));
    entries.setValueCount(value == null ? 0 : 1);
    CODES.put(new Dictionary(entries, encoding));
    var indices =
        new SmallIntVector(name, kind(new ArrowType.Int(16, true), nullable, encoding), MEMORY);
    if (value == null) indices.setNull(0);
    else indices.setSafe(0, 0);
    keep(indices);
  }

  static void count(String name, int value) {
    var vector = new UInt4Vector(name, kind(new ArrowType.Int(32, false), false, null), MEMORY);
    vector.setSafe(0, value);
    keep(vector);
  }

  static void fen(String name, long value) {
    var vector = new BigIntVector(name, kind(new ArrowType.Int(64, true), false, null), MEMORY);
    vector.setSafe(0, value);
    keep(vector);
  }

  static FieldType kind(ArrowType type, boolean nullable, DictionaryEncoding encoding) {
    return new FieldType(nullable, type, encoding);
  }

  static void keep(FieldVector vector) {
    vector.setValueCount(1);
    COLUMNS.add(vector);
  }
}
