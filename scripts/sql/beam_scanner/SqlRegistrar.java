package beam_scanner;

import java.util.Map;
import org.apache.beam.sdk.expansion.ExternalTransformRegistrar;
import org.apache.beam.sdk.extensions.sql.SqlTransform;
import org.apache.beam.sdk.transforms.ExternalTransformBuilder;
import org.apache.beam.sdk.transforms.PTransform;
import org.apache.beam.sdk.values.PCollection;
import org.apache.beam.sdk.values.PInput;
import org.apache.beam.sdk.values.Row;
import org.checkerframework.checker.nullness.qual.Nullable;

/** Lets an expansion service expand the {@code SqlTransform} of Beam's Python SDK. */
public class SqlRegistrar implements ExternalTransformRegistrar {
  @Override
  public Map<String, ExternalTransformBuilder<?, ?, ?>> knownBuilderInstances() {
    return Map.of("beam:external:java:sql:v1", new Builder());
  }

  private static class Builder
      implements ExternalTransformBuilder<Configuration, PInput, PCollection<Row>> {
    @Override
    public PTransform<PInput, PCollection<Row>> buildExternal(Configuration given) {
      SqlTransform made = SqlTransform.query(given.query).withAutoLoading(false);
      return given.ddl == null ? made : made.withDdlString(given.ddl);
    }
  }

  /** What the Python SDK sends. */
  public static class Configuration {
    private String query = "";
    private @Nullable String ddl;

    public void setQuery(String query) {
      this.query = query;
    }

    public void setDialect(@Nullable String dialect) {
      if (dialect != null && !dialect.equals("calcite")) {
        throw new IllegalArgumentException("there is no SQL dialect " + dialect);
      }
    }

    public void setDdl(@Nullable String ddl) {
      this.ddl = ddl;
    }
  }
}
